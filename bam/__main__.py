"""`python -m bam` is the `bam` command."""

from bam.cli.app import main

if __name__ == "__main__":
    main()
