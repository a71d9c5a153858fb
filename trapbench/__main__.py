"""`python -m trapbench` is the command `trapbench`."""

from trapbench.cli import main

if __name__ == "__main__":
    main()
