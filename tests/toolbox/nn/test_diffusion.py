"""The Gaussian diffusion against its formulas."""

import math

import pytest
import torch

from stbench.toolbox.nn.diffusion import (
    Diffusion,
    add_noise,
    clean_from_noise,
    cosine_alpha_bar,
    noise_from_clean,
    sample_times,
    step_back,
)


def normal(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("n_times", [10, 1000, 1500])
def test_schedule_is_the_cosine_until_its_last_step_is_held(n_times):
    alpha_bar = cosine_alpha_bar(n_times)
    assert alpha_bar.shape == (n_times,)
    assert alpha_bar.dtype == torch.float32
    start = math.cos(math.pi / 2 * 0.008 / 1.008) ** 2
    for t in (0, n_times // 2, n_times - 2):
        share = math.cos(math.pi / 2 * ((t + 1) / n_times + 0.008) / 1.008) ** 2
        assert alpha_bar[t].item() == pytest.approx(share / start, rel=1e-4)
    assert (alpha_bar[-1] / alpha_bar[-2]).item() == pytest.approx(1 - 0.999, rel=1e-4)


def test_noise_and_clean_values_follow_from_each_other():
    x0, noise, alpha_bar = normal(4, 3), normal(4, 3, seed=1), torch.tensor(0.3, dtype=torch.float64)
    x_t = add_noise(x0, noise, alpha_bar)
    torch.testing.assert_close(x_t, 0.3**0.5 * x0 + 0.7**0.5 * noise)
    torch.testing.assert_close(clean_from_noise(x_t, noise, alpha_bar), x0)
    torch.testing.assert_close(noise_from_clean(x_t, x0, alpha_bar), noise)


def test_full_noise_is_ancestral_sampling():
    """With eta 1 and neighbouring times the step is Eq. 7 of Ho et al. 2020."""
    alpha_bar = cosine_alpha_bar(50).double()
    x_t, x0, fresh = normal(5, 6), normal(5, 6, seed=1), normal(5, 6, seed=2)
    for t in (1, 20, 49):
        now, earlier = alpha_bar[t], alpha_bar[t - 1]
        beta = 1 - now / earlier
        mean = beta * earlier.sqrt() / (1 - now) * x0 + (1 - earlier) * (1 - beta).sqrt() / (1 - now) * x_t
        sd = (beta * (1 - earlier) / (1 - now)).sqrt()
        torch.testing.assert_close(step_back(x_t, x0, now, earlier, 1.0, fresh), mean + sd * fresh)


@pytest.mark.parametrize("eta", [0.0, 1.0])
def test_last_step_returns_the_clean_values_exactly(eta):
    alpha_bar = cosine_alpha_bar(50)
    x_t, x0, fresh = (normal(5, 6, seed=s).float() for s in range(3))
    assert torch.equal(step_back(x_t, x0, alpha_bar[0], torch.tensor(1.0), eta, fresh), x0)


def test_without_fresh_noise_a_right_estimate_stays_on_its_path():
    alpha_bar = cosine_alpha_bar(50).double()
    x0, noise = normal(5, 6), normal(5, 6, seed=1)
    earlier = step_back(add_noise(x0, noise, alpha_bar[40]), x0, alpha_bar[40], alpha_bar[7], 0.0, noise)
    torch.testing.assert_close(earlier, add_noise(x0, noise, alpha_bar[7]))


def test_times_are_even_and_reach_both_ends():
    assert sample_times(torch.arange(10), 4).tolist() == [9, 6, 3, 0]
    assert sample_times(torch.arange(10), 99).tolist() == list(range(9, -1, -1))
    assert sample_times(torch.arange(0, 10, 5), 99).tolist() == [5, 0]


def test_sampling_ends_at_the_last_estimate_held_within_the_limit():
    seen = []

    def predict(x, t):
        seen.append(int(t))
        return torch.full_like(x, 7.0 if t == 0 else 0.2)

    fresh = torch.Generator().manual_seed(0)
    x = Diffusion(20, "x0", "cpu").sample(predict, (3, 4), 5, fresh, eta=1.0, limit=1.0)
    assert seen == sample_times(torch.arange(20), 5).tolist()
    assert torch.equal(x, torch.ones(3, 4))


def test_noise_is_added_at_times_in_use_and_the_objective_is_what_to_predict():
    fresh = torch.Generator().manual_seed(0)
    for objective in ("eps", "x0"):
        diffusion = Diffusion(20, objective, "cpu", stride=5)
        time = diffusion.draw_times((200, 2), fresh)
        assert set(time.unique().tolist()) == {0, 5, 10, 15}
        x0, state = torch.randn(200, 2, 3), fresh.get_state()
        noisy, expected = diffusion.corrupt(x0, time, fresh)
        noise = torch.randn(x0.shape, generator=fresh.set_state(state))
        assert torch.equal(expected, noise if objective == "eps" else x0)
        assert torch.equal(noisy, add_noise(x0, noise, cosine_alpha_bar(20)[time][..., None]))


@pytest.mark.parametrize("objective", ["eps", "x0"])
@pytest.mark.parametrize("eta", [0.0, 1.0])
def test_sampling_with_the_ideal_network_gives_the_distribution_of_the_data(eta, objective):
    """For x0 ~ N(m, s²) the best estimate is known; 1,000 steps of it must give back m and s."""
    m, s, alpha_bar = 0.3, 0.1, cosine_alpha_bar(1000)
    fresh = torch.Generator().manual_seed(0)

    def predict(x, t):
        a = alpha_bar[t]
        x0 = m + a.sqrt() * s**2 / (a * s**2 + 1 - a) * (x - a.sqrt() * m)
        return x0 if objective == "x0" else noise_from_clean(x, x0, a)

    x = Diffusion(1000, objective, "cpu").sample(predict, (20_000,), 1000, fresh, eta=eta)
    assert x.mean().item() == pytest.approx(m, abs=0.005)
    assert x.std().item() == pytest.approx(s, rel=0.03)
