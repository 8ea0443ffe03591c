"""`python -m holdfast_ledger`, the same as `holdfast ledger`."""

import sys

from holdfast_ledger.bootstrap import main

sys.exit(main(sys.argv[1:]))
