"""What minigan is measured beside: the same step by PyTorch and JAX, and other steps than the canonical one.

    python benchmarks/contest                about two minutes; tables, JSON and plots
    python benchmarks/contest critic         instead of the canonical step, an update of a critic (WGAN-GP)
    python benchmarks/contest dcgan          or the step of a small DCGAN
    python benchmarks/contest conv           or its convolutions, layer by layer
    python benchmarks/contest unet           or those of a U-Net

critic.py       a critic's update, and its operations; critic_torch.py and critic_jax.py: by others
dcgan.py        the step of a small DCGAN; dcgan_torch.py: by PyTorch
conv.py         its convolutions, one by one, and those of a U-Net; conv_torch.py: by PyTorch
step_torch.py   the canonical step, and what every step in PyTorch has in common; step_jax.py: in JAX
guests.py       who plays what, by name; guests_torch.py and guests_jax.py make them
command.py      the command
worker.py       the process of a contestant

How it is measured is minigan's own affair: see minigan/bench.
"""
