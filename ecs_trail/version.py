"""The version of this package, for the command line and for what it writes."""

from typing import Final

VERSION: Final = "0.1.0"
