"""`python -m refsam_zoo` is `refsam-zoo`."""

import sys

from refsam_zoo.cli import main

sys.exit(main())
