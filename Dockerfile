# Image that runs cnn-mellin, and with it the whole recipe:
#   docker build --tag mellin .
#   docker run --rm --gpus all --volume "$(pwd):/work" mellin --device cuda recipe corpus exp
#
# Without an argument, pip takes torch's build for NVIDIA GPUs. PIP_OPTIONS chooses another one, as with make: for
# processors, --build-arg PIP_OPTIONS="--extra-index-url URL" with the CPU index of PyTorch (docs/install.md).
ARG PYTHON_VERSION=3.12
FROM python:${PYTHON_VERSION}-slim-bookworm

SHELL ["/bin/bash", "-o", "pipefail", "-c"]
WORKDIR /opt/cnn-mellin

# Requirements first, so that a change of the program does not install them again.
ARG PIP_OPTIONS=""
COPY constraints.txt pyproject.toml README.md LICENSE ./
COPY src/cnn_mellin/__init__.py src/cnn_mellin/__init__.py
COPY conf conf
# hadolint ignore=DL3013,SC2086
RUN pip install --no-cache-dir --constraint constraints.txt ${PIP_OPTIONS} ".[demo,search]"
COPY src src
RUN pip install --no-cache-dir --no-deps --force-reinstall .

# Caches of Snakemake and matplotlib, whoever runs the image.
ENV HOME=/tmp XDG_CACHE_HOME=/tmp/cache MPLCONFIGDIR=/tmp/matplotlib
WORKDIR /work
ENTRYPOINT ["cnn-mellin"]
CMD ["--help"]
