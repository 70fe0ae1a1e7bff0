"""The generator of the demo model: autoencoder, text encoders, UNet, IdentityNet, resampler, adapter.

Each stage is one command, run from the root of the repository, in this order:

    python -m tools.demo_model.generator.vocabulary     the tokenizers' byte pairs
    python -m tools.demo_model.generator.pictures       renders the training pictures
    python -m tools.demo_model.generator.autoencoder    the VAE
    python -m tools.demo_model.generator.latents        pictures to latents, captions to token ids
    python -m tools.demo_model.generator.base           text encoders and UNet
    python -m tools.demo_model.generator.embeddings     the recogniser on every picture
    python -m tools.demo_model.generator.photos         the recogniser on two photos of every person
    python -m tools.demo_model.generator.identity       IdentityNet, resampler and adapter
    python -m tools.demo_model.generator.export         writes everything in the published layout
    python -m tools.demo_model.generator.compare        compares the program with diffusers on these files

`python -m tools.demo_model.generator.train` runs all but the last one. Repeating a command resumes its stage where
it stopped. Seeds are fixed, and sheets of pictures are written for inspection. Caches and unfinished weights are in
/tmp/demo_model/generator (or the folder in DEMO_MODEL_WORK).
"""
