"""`python -m refsam_zoo` is `refsam-zoo`."""

from refsam_zoo.cli import program

program()
