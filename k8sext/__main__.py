"""`python -m k8sext` is the same as the `k8sext` command."""

from .cli.app import main

if __name__ == "__main__":
    main()
