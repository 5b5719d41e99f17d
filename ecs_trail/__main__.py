"""`python -m ecs_trail` is `ecs-trail`."""

from ecs_trail.cli.main import main

main()
