"""Commands that are loaded when they are used, so that `--help` answers at once however many there are."""

from collections.abc import Iterator, Mapping, MutableMapping
from importlib import import_module
from typing import Final

import click

#: Name -> module below `ecs_trail.cli`, and the line `--help` shows; a test holds the lines to those of the commands.
COMMANDS: Final[Mapping[str, tuple[str, str]]] = {
    "collect": ("collect", "Read evidence into a store: a folder, or a prefix of a bucket."),
    "events": ("commands", "List the events an investigation stands on."),
    "guard": ("guard", "Say who depends on a role before it is changed."),
    "investigate": ("commands", "Name what broke, what hangs on it, how to repair it."),
    "lab": ("notebook", "Open the notebooks in JupyterLab on this evidence."),
    "notebook": ("notebook", "Run the notebooks that come with ecs-trail."),
    "permissions": ("permissions", "Print the IAM policy this tool needs."),
    "plan": ("commands", "Say what would be read, without reading it."),
    "practice": ("range", "Write a made-up incident and its known answer."),
    "report": ("report", "Write a report to hand on, once or on schedule."),
    "role": ("role", "Set the infrastructure role up right."),
    "snapshot": ("snapshot", "Save the state of ECS, EBS volumes and roles now."),
    "store": ("stores", "Look after a store that collect made: a folder, or s3://BUCKET/PREFIX."),
    "timeline": ("commands", "List volumes, TLS secrets, role changes, tasks or leaks."),
    "verify": ("verify", "Verify log files against CloudTrail's digests, or a store."),
}


class LazyCommands(MutableMapping[str, click.Command]):
    """The commands by name; one is loaded from its module when it is asked for."""

    def __init__(self) -> None:
        """Know all names, load nothing."""
        self._held: dict[str, click.Command | None] = dict.fromkeys(COMMANDS)

    def __getitem__(self, name: str) -> click.Command:
        """The command of a name. Raises `KeyError` for another one."""
        held = self._held[name]
        if held is None:
            held = self._held[name] = getattr(import_module(f"ecs_trail.cli.{COMMANDS[name][0]}"), name)
        return held

    def __setitem__(self, name: str, command: click.Command) -> None:
        """Add a command that is there already."""
        self._held[name] = command

    def __delitem__(self, name: str) -> None:
        """Take a command out. Raises `KeyError` for a name that is not there."""
        del self._held[name]

    def __iter__(self) -> Iterator[str]:
        """The names."""
        return iter(self._held)

    def __len__(self) -> int:
        """How many commands there are."""
        return len(self._held)
