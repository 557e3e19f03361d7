"""Prepares the pair of a user: a dataset by name, or two tables."""

from __future__ import annotations

import logging

from anndata import AnnData

from stbench.config.options import Options
from stbench.data.cache import load
from stbench.data.prepare import Pair, prepare
from stbench.data.sources import catalogue, data_folders, dataset_called
from stbench.dataset import Card
from stbench.plugins import load_plugin

log = logging.getLogger(__name__)


def pair_called(options: Options, name: str) -> Pair:
    """The prepared pair of a dataset, given by its name or the path of its folder."""
    for plugin in options.plugin:  # a plugin may define the loader
        load_plugin(plugin)
    dataset = dataset_called(name, catalogue(data_folders(options.data)))
    pair = load(dataset.with_rules(**options.rules), options.limit)
    log.info(pair.describe())
    return pair


def pair_of(options: Options, reference: AnnData, spatial: AnnData) -> Pair:
    """The prepared pair of two raw tables."""
    card = Card("pair", **options.rules)
    pair = prepare(reference, spatial, card, options.limit)
    log.info(pair.describe())
    return pair
