"""`kag` as a script: Lightning starts the other processes of a DDP run by the path of the first one."""

from kag.cli.main import main

if __name__ == "__main__":
    main()
