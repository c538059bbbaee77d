# clipgap with all that it needs, from this tree. Results are yours, and in the folder it is called from:
#
#   docker build --tag clipgap .
#   docker run --rm --volume "$PWD:/data" --user "$(id -u):$(id -g)" clipgap doctor
#
# On a GPU with `--gpus all`: pip's PyTorch brings CUDA's libraries along, the driver is the host's. To train, add
# `--shm-size 2g`: the processes that read images hand them over in shared memory, of which a container has little.

# Any image that has Python 3.11 or newer with venv. One with CUDA is not needed, but may be named.
ARG BASE=python:3.12-slim
FROM ${BASE}
ENV PATH=/opt/clipgap/bin:$PATH
RUN python3 -m venv /opt/clipgap

# From one place, both: a torch and a torchvision of different builds do not work together. Empty, it is pip's own
# registry; an index of builds for CPUs makes the image much smaller.
ARG TORCH_INDEX=""
# hadolint ignore=DL3013
RUN pip install --no-cache-dir ${TORCH_INDEX:+--index-url "${TORCH_INDEX}"} torch torchvision

WORKDIR /usr/src/clipgap
COPY pyproject.toml README.md LICENSE ./
COPY src src
RUN pip install --no-cache-dir .

# Weights of CLIP that are fetched are kept in the folder that is mounted.
ENV HOME=/data
RUN useradd --uid 10001 --home-dir /data --create-home clipgap
USER 10001
WORKDIR /data
ENTRYPOINT ["clipgap"]
CMD ["--help"]
