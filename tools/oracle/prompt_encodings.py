"""Prompts with weights and of any length, as the two programs that people know encode them for SDXL.

Restated here from what they do, since neither is a package:
- "weighted": get_weighted_text_embeddings_sdxl of InstantID's pipeline_stable_diffusion_xl_instantid_full.py
- "a1111": the AUTOMATIC1111 web UI, modules/prompt_parser.py, sd_hijack_clip.py and sd_emphasis.py ("Original")

One thing differs from the published "weighted": BREAK fills up a group, as in that web UI, and is no word.
"""

import itertools
import re

import torch

ROOM = 75  # tokens of a prompt in a group, between start and end
COMMA_TOKENS = 20  # how far a full group is looked back for a comma
CUT = re.compile(r"\\[()\[\]\\]?|[()\[\]]|:\s*[+-]?[.\d]+\s*\)|:|[^\\()\[\]:]+")
BREAK = re.compile(r"\s*\bBREAK\b\s*")


class Bracket:
    """One that was opened: its factor, and when it was closed."""

    def __init__(self, factor):
        self.factor, self.closed = factor, None


def parse(prompt: str) -> list[list[tuple[str, float]]]:
    """[(text, weight), ...] of each part between two BREAKs; neighbours differ in weight."""
    clock = itertools.count()
    open_brackets = {"(": [], "[": []}
    parts = [[]]  # of [text, brackets around it]

    def close(kind, factor=None):
        bracket = open_brackets[kind].pop()
        bracket.closed = next(clock)
        if factor is not None:
            bracket.factor = factor

    def add(text):
        parts[-1].append((text, [*open_brackets["("], *open_brackets["["]]))

    for cut in CUT.findall(prompt):
        if cut[0] == "\\":
            add(cut[1:])
        elif cut in open_brackets:
            open_brackets[cut].append(Bracket(1.1 if cut == "(" else 1 / 1.1))
        elif cut[0] == ":" and cut[-1] == ")" and open_brackets["("]:
            close("(", float(cut[1:-1]))
        elif cut == ")" and open_brackets["("]:
            close("(")
        elif cut == "]" and open_brackets["["]:
            close("[")
        else:
            first, *rest = BREAK.split(cut)
            add(first)
            for text in rest:
                parts.append([])
                add(text)
    for bracket in open_brackets["("] + open_brackets["["]:
        bracket.closed = next(clock)
    return [merged([(text, product(around)) for text, around in part if text]) for part in parts]


def product(around: list[Bracket]) -> float:
    weight = 1.0
    for bracket in sorted(around, key=lambda bracket: bracket.closed):
        weight *= bracket.factor
    return weight


def merged(pieces):
    groups = itertools.groupby(pieces, key=lambda piece: piece[1])
    return [("".join(text for text, _ in group), weight) for weight, group in groups]


def tokens(tokenizer, prompt: str) -> list[list[tuple[int, float]]]:
    """(id, weight) of each part."""
    return [
        [
            (token, weight)
            for text, weight in part
            for token in tokenizer(text, add_special_tokens=False, truncation=False).input_ids
        ]
        for part in parse(prompt)
    ]


# ---- weighted


def weighted_groups(tokenizer, negative: str, prompt: str):
    """For both prompts the groups, each a list of (id, weight)."""
    start, end = (tokenizer.bos_token_id, 1.0), (tokenizer.eos_token_id, 1.0)
    rows = []
    for text in (negative, prompt):
        parts = tokens(tokenizer, text)
        row = []
        for i, part in enumerate(parts):
            row += part
            if i + 1 < len(parts):
                row += [end] * (-len(row) % ROOM)
        rows.append(row)
    length = max(map(len, rows))
    return [
        [
            [start, *row[begin : begin + ROOM], end]
            for begin in range(0, length + 1, ROOM)
        ]
        for row in (row + [end] * (length - len(row)) for row in rows)
    ]  # fmt: skip


def hidden_states(encoder, ids):
    output = encoder(torch.tensor([ids]), output_hidden_states=True)
    return output.hidden_states[-2][0], output[0]


@torch.no_grad()
def weighted(pipe, negative: str, prompt: str):
    """conditioning [2,tokens,c], pooled [2,c]: negative prompt, prompt."""
    conditioning, pooled = [], []
    for groups in weighted_groups(pipe.tokenizer, negative, prompt):
        made = []
        for group in groups:
            ids, weights = zip(*group)
            first, _ = hidden_states(pipe.text_encoder, list(ids))
            second, pool = hidden_states(pipe.text_encoder_2, list(ids))
            z = torch.cat([first, second], dim=1)
            weights = torch.tensor(weights, dtype=torch.float16).float()[:, None]
            made.append(torch.where(weights == 1, z, z[-1] + (z - z[-1]) * weights))
        conditioning.append(torch.cat(made))
        pooled.append(pool[0])
    return torch.stack(conditioning), torch.stack(pooled)


# ---- a1111


def a1111_groups(tokenizer, prompt: str):
    """The groups of one prompt, each 77 of (id, weight)."""
    (comma,) = tokenizer(",", add_special_tokens=False).input_ids
    start, end = (tokenizer.bos_token_id, 1.0), (tokenizer.eos_token_id, 1.0)
    groups, now = [], []

    def finish():
        groups.append([start, *now, *[end] * (ROOM - len(now)), end])
        now.clear()

    for i, part in enumerate(tokens(tokenizer, prompt)):
        if i > 0:
            finish()
        for token in part:
            if len(now) == ROOM:
                # The last comma counts, unless this is one: a comma ends the phrase in front of it.
                commas = [j for j, (each, _) in enumerate(now) if each == comma]
                moved = []
                if token[0] != comma and commas and ROOM - commas[-1] <= COMMA_TOKENS:
                    moved = now[commas[-1] + 1 :]
                    del now[commas[-1] + 1 :]
                finish()
                now.extend(moved)
            now.append(token)
    if now or not groups:
        finish()
    return groups


def filled(ids, tokenizer, pad):
    """The ids with `pad` behind the first end."""
    end = ids.index(tokenizer.eos_token_id)
    return ids[: end + 1] + [pad] * (len(ids) - end - 1)


def emphasised(z, weights):
    """Each token times its weight, the mean of all restored."""
    z_new = z * torch.tensor(weights)[:, None]
    return z_new * (z.mean() / z_new.mean())


@torch.no_grad()
def a1111(pipe, negative: str, prompt: str):
    """conditioning [2,tokens,c], pooled [2,c]: negative prompt, prompt. An empty negative prompt is zeros."""
    both = [a1111_groups(pipe.tokenizer, text) for text in (negative, prompt)]
    count = max(map(len, both)) if negative else len(both[1])
    (empty,) = a1111_groups(pipe.tokenizer, "")
    conditioning, pooled = [], []
    for text, groups in zip((negative, prompt), both):
        made, pools = [], []
        for group in groups + [empty] * (count - len(groups)):
            ids, weights = map(list, zip(*group))
            first, _ = hidden_states(pipe.text_encoder, ids)
            pad = pipe.tokenizer_2.pad_token_id
            second, pool = hidden_states(pipe.text_encoder_2, filled(ids, pipe.tokenizer, pad))
            made.append(torch.cat([emphasised(first, weights), emphasised(second, weights)], dim=1))
            pools.append(pool[0])
        conditioning.append(torch.cat(made))
        pooled.append(pools[0])
    if not negative:
        conditioning[0], pooled[0] = torch.zeros_like(conditioning[1]), torch.zeros_like(pooled[1])
    return torch.stack(conditioning), torch.stack(pooled)


ENCODINGS = {"weighted": weighted, "a1111": a1111}
