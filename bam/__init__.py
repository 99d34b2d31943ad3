"""BAM: bias amplification for group robustness without group labels (arXiv 2309.06717)."""

__version__ = "0.1.0"
