"""The generator of the demo model: autoencoder, text encoders, UNet, IdentityNet, resampler, adapter.

Each stage is one command, run from the root of the repository, in this order:

    python -m tools.demo_model.generator.vocabulary     the tokenizers' byte pairs
    python -m tools.demo_model.generator.pictures       renders the pictures to learn from
    python -m tools.demo_model.generator.autoencoder    the VAE
    python -m tools.demo_model.generator.latents        pictures to latents, captions to token ids
    python -m tools.demo_model.generator.base           text encoders and UNet
    python -m tools.demo_model.generator.embeddings     the recogniser on every picture
    python -m tools.demo_model.generator.photos         the recogniser on two photos of every person
    python -m tools.demo_model.generator.identity       IdentityNet, resampler and adapter
    python -m tools.demo_model.generator.export         all of it in the published layout
    python -m tools.demo_model.generator.compare        the program against diffusers on these files

`python -m tools.demo_model.generator.train` runs all but the last one. Every stage goes on where it stopped when
its command is given again; seeds are fixed, and sheets of pictures are written to be looked at. Caches and
unfinished weights lie under /tmp/demo_model/generator (DEMO_MODEL_WORK names another folder).
"""
