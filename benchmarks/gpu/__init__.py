"""What this project does on one GPU: stages in the order of their value, run by benchmarks/gpu.sh."""
