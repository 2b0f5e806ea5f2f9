# dumo-bench on NVIDIA GPUs: docker build -t dumo-bench . && docker run --gpus all dumo-bench doctor
FROM nvidia/cuda:13.0.1-base-ubuntu24.04

SHELL ["/bin/bash", "-o", "pipefail", "-c"]
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends python3 python3-venv \
    && rm -rf /var/lib/apt/lists/*
RUN python3 -m venv /opt/dumo-bench
ENV PATH=/opt/dumo-bench/bin:$PATH
WORKDIR /source
COPY . .
RUN pip install --no-cache-dir -c constraints.txt '.[ray,s3,stlpips,nsfw]'
WORKDIR /work
ENTRYPOINT ["dumo-bench"]
CMD ["--help"]
