# The study in a container, from the lock.
#   docker build -t bam .
#   docker run --rm -v "$PWD/results:/study/results" -v "$PWD/data:/study/data" bam snakemake --cores all
FROM python:3.11-slim-bookworm

# git: what DVC finds its folder by. make: the verbs. Debian keeps no old versions to pin.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends git make \
    && rm -rf /var/lib/apt/lists/*

# Rules may not run as root: a mounted folder would be left with files that its owner cannot delete.
RUN useradd --create-home --uid 1000 study \
    && mkdir /study \
    && chown study:study /study
USER 1000
WORKDIR /study

# The dependencies first, so that a change of code installs nothing again. The steps are those of `make setup`.
# With `--build-arg PIP_EXTRA_INDEX_URL=...`, pip also looks there, such as for torch's much smaller CPU build.
ARG PIP_EXTRA_INDEX_URL
COPY --chown=study:study requirements.lock pyproject.toml ./
RUN python -m venv .venv \
    && .venv/bin/python -m pip install --no-cache-dir --requirement requirements.lock

COPY --chown=study:study README.md LICENSE Makefile environment.yml ./
COPY --chown=study:study bam bam
COPY --chown=study:study config config
COPY --chown=study:study snakemake_logger_plugin_bam snakemake_logger_plugin_bam
COPY --chown=study:study workflow workflow
RUN .venv/bin/python -m pip install --no-cache-dir --no-deps --editable . \
    && touch .venv/.installed

ENV PATH=/study/.venv/bin:$PATH PYTHONPATH=/study
CMD ["make", "study"]
