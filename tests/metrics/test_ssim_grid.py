import numpy as np
import pytest
from skimage.metrics import structural_similarity

from stbench.metrics.ssim import ssim
from stbench.metrics.ssim_grid import Raster, ssim_grid


def lattice(rows, columns):
    return np.stack(np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij"), axis=-1).reshape(-1, 2)


@pytest.fixture
def images():
    rng = np.random.default_rng(0)
    truth = rng.gamma(1, size=(20, 20, 3))
    return truth, truth + 0.5 * rng.gamma(1, size=truth.shape)


def test_on_a_lattice_it_is_the_map_of_scikit_image(images):
    truth, prediction = images
    found = ssim_grid(*(image.reshape(400, 3) for image in images), lattice(20, 20))
    for gene in range(3):
        _, similarity = structural_similarity(
            truth[..., gene] / truth[..., gene].max(),
            prediction[..., gene] / prediction[..., gene].max(),
            data_range=1,
            use_sample_covariance=False,
            full=True,
        )
        assert found[gene] == pytest.approx(similarity.mean())


def test_one_window_by_hand():
    # one bright pixel in the middle, in the truth twice as bright beside it: the centre pixel of a 7 x 7
    # raster sees all 49 values, every other window mirrors the edge
    from scipy.ndimage import uniform_filter

    rng = np.random.default_rng(1)
    a, b = rng.uniform(size=(2, 7, 7))
    a, b = a / a.max(), b / b.max()
    ma, mb = uniform_filter(a, 7), uniform_filter(b, 7)
    va, vb = uniform_filter(a * a, 7) - ma**2, uniform_filter(b * b, 7) - mb**2
    vab = uniform_filter(a * b, 7) - ma * mb
    expected = (2 * ma * mb + 1e-4) * (2 * vab + 9e-4) / ((ma**2 + mb**2 + 1e-4) * (va + vb + 9e-4))
    found = ssim_grid(a.reshape(49, 1), b.reshape(49, 1), lattice(7, 7))
    assert found == pytest.approx([expected.mean()])


def test_perfect_is_one_and_constant_is_near_zero(images):
    truth = images[0].reshape(400, 3)
    assert ssim_grid(truth, truth, lattice(20, 20)) == pytest.approx([1, 1, 1])
    assert (np.abs(ssim_grid(truth, np.zeros((400, 3)), lattice(20, 20))) < 0.05).all()


def test_it_sees_space_where_the_global_one_cannot():
    places = lattice(30, 30)
    truth = np.exp(-((places - 15) ** 2).sum(axis=1) / 40)[:, None]  # one bright region
    prediction = truth + 0.1 * np.random.default_rng(0).uniform(size=truth.shape)
    order = np.random.default_rng(1).permutation(900)
    assert ssim(truth[order], prediction[order]) == pytest.approx(ssim(truth, prediction))
    assert (
        abs(ssim_grid(truth[order], prediction[order], places) - ssim_grid(truth, prediction, places)) > 0.1
    )


def test_moved_turned_and_scaled_tissue_is_the_same(images):
    truth, prediction = (image.reshape(400, 3) for image in images)
    places = lattice(20, 20).astype(float)
    expected = ssim_grid(truth, prediction, places)
    for other in (
        places * 37.5 - 1000,
        places[:, ::-1],
        np.column_stack([places[:, 0], places[:, 1] * 0, places[:, 1]]),
    ):
        assert ssim_grid(truth, prediction, other) == pytest.approx(expected)
    order = np.random.default_rng(0).permutation(400)
    assert ssim_grid(truth[order], prediction[order], places[order]) == pytest.approx(expected)


def test_a_positive_factor_per_gene_changes_nothing(images):
    truth, prediction = (image.reshape(400, 3) for image in images)
    scaled = ssim_grid(truth * [1, 1e3, 1e-3], prediction * [5, 1, 7], lattice(20, 20))
    assert scaled == pytest.approx(ssim_grid(truth, prediction, lattice(20, 20)))


def test_raster_means_spots_of_a_pixel_and_fills_from_the_nearest():
    corners = np.array([[0, 0], [0, 0.1], [10, 0], [0, 10], [10, 10]])
    places = np.vstack([corners, corners[2:].repeat(15, axis=0)])  # 50 spots: 7.07 pixels a side
    raster = Raster(places)
    assert raster.filled.shape == (8, 8)
    assert raster.filled.sum() == 4
    values = np.zeros((50, 1))
    values[:3, 0] = [2, 4, 8]
    image = raster.image(values)[..., 0]
    assert image[0, 0] == 3
    assert image[7, 0] == 8 / 16
    assert image[2, 2] == 3  # no spots: nearest is the first corner
    assert image[5, 2] == 8 / 16


@pytest.mark.parametrize(
    "places",
    [
        np.zeros((30, 2)),
        np.column_stack([np.arange(30.0), np.zeros(30)]),
        np.random.default_rng(0).uniform(size=(30, 2)),
    ],
)
def test_odd_tissues_have_a_score(places):
    rng = np.random.default_rng(0)
    truth, prediction = rng.gamma(1, size=(2, 30, 4))
    values = ssim_grid(truth, prediction, places)
    assert values.shape == (4,)
    assert ((values >= -1) & (values <= 1)).all()
