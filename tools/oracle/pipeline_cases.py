"""The golden pictures: the requests for each small checkpoint. Data only.

size is [width, height]. identity_strength is the pipeline's controlnet_conditioning_scale,
adapter_strength its set_ip_adapter_scale. keypoints are in the pixels of identity_size (the picture's
size unless given): left eye, right eye, nose, left and right mouth corner. encoding names how the prompts are
encoded (prompt_encodings.py); without it the pipeline does that itself. photos is the number of embeddings.
pipeline_extras.py makes what the published pipeline does not have: freeu, perturbed_guidance, guidance_end, reuse,
combine, identity_noise, adapter_start and adapter_end, and strength, with which it starts from a picture.
inpainting_model gives the UNet five more input channels, whose weights conv_in.npy has.
no_keypoints gives IdentityNet a black picture. mask repaints a part of the picture that it starts from.
"""

LONG_PROMPT = (
    "A masterpiece portrait of the MAN in the snow, it's 35mm film; best quality!!! "
    "naïve café 東京 🙂👩‍🚀 don't we've I'm they'll, "
) * 3

WEIGHTED_PROMPT = (
    "analog (film:1.3) photo of a [man] in the ((snow)), (neon lights:1.21) of the city at night, " * 3
    + "(watercolor painting:0.7)"
)

PLAIN = {
    "prompt": "analog film photo of a man in the snow, faded film!",
    "negative": "blurry, low quality",
    "size": [72, 104],
    "steps": 4,
    "guidance": 5.0,
    "identity_strength": 0.8,
    "adapter_strength": 0.8,
    "identity_start": 0.0,
    "identity_end": 1.0,
    "seed": 42,
}

CASES = {
    "fp16_published": {
        "plain": {},
        "window": {"size": [136, 72], "steps": 6, "identity_start": 0.2, "identity_end": 0.7,
                   "negative": "", "seed": 7},
        "no_negative": {"negative": None, "size": [64, 64], "steps": 5, "identity_strength": 1.2,
                        "adapter_strength": 0.5, "seed": 123456789},
        "guidance_one": {"guidance": 1.0, "steps": 3, "seed": 1},
        "no_adapter": {"adapter_strength": 0.0, "steps": 2, "size": [80, 88], "seed": 3},
        "no_identitynet": {"identity_strength": 0.0, "steps": 2, "size": [88, 80], "seed": 4},
        "weighted_prompt": {"prompt": WEIGHTED_PROMPT, "negative": "(blurry:1.4), text", "encoding": "weighted",
                            "steps": 3, "size": [72, 88], "seed": 5},
        "a1111_prompt": {"prompt": WEIGHTED_PROMPT + " BREAK best quality", "negative": "(blurry:1.4), text",
                         "encoding": "a1111", "steps": 3, "size": [72, 64], "seed": 6},
        "long_prompt": {"prompt": LONG_PROMPT, "steps": 2, "size": [72, 72], "seed": 2**31 - 1},
        "freeu": {"freeu": True, "steps": 3, "seed": 5},
        "perturbed": {"perturbed_guidance": 3.0, "steps": 3, "seed": 6},
        "perturbed_alone": {"perturbed_guidance": 2.0, "guidance": 1.0, "steps": 3, "seed": 7},
        "guidance_end": {"guidance_end": 0.6, "steps": 5, "identity_end": 0.8, "seed": 8},
        "reuse": {"reuse": 3, "steps": 7, "seed": 9},
        "norm_average": {"photos": 3, "combine": "norm_average", "steps": 2, "size": [72, 64], "seed": 31},
        "concat": {"photos": 3, "combine": "concat", "steps": 3, "size": [64, 72], "seed": 32},
        "sequence": {"photos": 3, "combine": "sequence", "steps": 2, "size": [72, 72], "seed": 33},
        "adapter_window": {"adapter_start": 0.25, "adapter_end": 0.75, "steps": 5, "size": [64, 64], "seed": 35},
        "noise_without_keypoints": {"identity_noise": 0.35, "no_keypoints": True, "steps": 2, "size": [72, 64], "seed": 36},
        "from_picture": {"strength": 0.6, "steps": 5, "identity_start": 0.3, "seed": 11},
        "repaint": {"strength": 0.75, "mask": True, "steps": 6, "size": [96, 80], "seed": 41},
        "repaint_noise": {"strength": 0.8, "mask": True, "masked_content": "noise", "steps": 4, "guidance": 1.0,
                          "size": [80, 72], "seed": 42},
        "inpainting_model": {"strength": 0.8, "mask": True, "inpainting_model": True, "steps": 5, "size": [80, 96],
                             "seed": 44},
        "all_extras": {"freeu": True, "perturbed_guidance": 3.0, "guidance_end": 0.75, "steps": 4,
                       "negative": None, "seed": 10},
    },
    "bf16_shards": {
        "from_picture": {"size": [72, 80], "strength": 0.29, "steps": 7, "negative": None, "seed": 14},
        "repaint_all_steps": {"size": [72, 88], "strength": 1.0, "mask": True, "steps": 3, "negative": None, "seed": 43},
        "plain": {"size": [88, 72]},
        "no_negative": {"negative": None, "size": [72, 120], "steps": 3, "guidance": 7.5, "seed": 11},
        "late_start": {"identity_start": 0.5, "steps": 4, "size": [64, 96], "seed": 12,
                       "prompt": "", "negative": "text, watermark"},
        "scaled_keypoints": {"size": [104, 72], "identity_size": [300, 200], "steps": 2,
                             "identity_strength": 1.5, "adapter_strength": 1.5, "seed": 13},
    },
    "fp32_convolutions": {
        "plain": {"size": [104, 88]},
        "empty_negative": {"negative": "", "size": [72, 88], "steps": 6, "seed": 21,
                           "prompt": "Line Art of a face, black & white"},
        "guidance_one_window": {"guidance": 1.0, "identity_start": 0.2, "identity_end": 0.7, "steps": 5,
                                "size": [120, 72], "seed": 22},
        "early_end": {"identity_end": 0.5, "steps": 4, "negative": None, "size": [72, 72],
                      "guidance": 2.5, "seed": 23},
        "one_step": {"steps": 1, "size": [64, 72], "seed": 24},
        "average": {"photos": 2, "combine": "average", "steps": 2, "size": [64, 64], "seed": 34},
        "reuse_freeu": {"reuse": 2, "freeu": True, "steps": 5, "seed": 25},
    },
}  # fmt: skip


def case(checkpoint: str, name: str) -> dict:
    """The whole request of a case."""
    return PLAIN | {"checkpoint": checkpoint} | CASES[checkpoint][name]
