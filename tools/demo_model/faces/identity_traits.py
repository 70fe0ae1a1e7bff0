"""An identity as numbers: the traits that the recogniser's embedding must encode besides the identity."""

import dataclasses

import numpy as np

from ..world import Identity


class IdentityTraits:
    """Numbers [n, k], standardised over a sample of identities, and choices {name: [n]} with their counts."""

    def __init__(self):
        self.sample = [dataclasses.asdict(Identity.from_seed(50_000 + i)) for i in range(2000)]
        self.numbers, self.choices = [], {}
        for name, value in self.sample[0].items():
            if name == "seed":
                continue
            if isinstance(value, (bool, str)) or value is None:
                kinds = sorted({str(one[name]) for one in self.sample})
                if len(kinds) > 1:
                    self.choices[name] = kinds
            elif isinstance(value, (int, float)):
                self.numbers.append(name)
        values = np.array([[one[name] for name in self.numbers] for one in self.sample], np.float32)
        self.mean, self.std = values.mean(0), values.std(0) + 1e-6

    def of(self, seeds):
        people = [dataclasses.asdict(Identity.from_seed(int(seed))) for seed in seeds]
        numbers = (np.array([[one[name] for name in self.numbers] for one in people], np.float32) - self.mean) / self.std
        choices = {name: np.array([kinds.index(str(one[name])) if str(one[name]) in kinds else 0 for one in people])
                   for name, kinds in self.choices.items()}
        return numbers, choices
