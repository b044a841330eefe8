"""`python -m callcenter` is the command `callcenter`."""

from callcenter.cli import main

main()
