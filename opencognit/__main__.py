"""`python -m opencognit`: the same as the command `opencognit`."""

from opencognit.cli import main

main()
