"""The page Model card: what a bundle is, how it was measured, and its proof run again."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from gensuite.errors import BundleError, ParityError
from gensuite.inference.bundle import Bundle
from gensuite.inference.manifest import LIMITS
from gensuite.scores import groups, protocol_sentences, rows
from gensuite.verify import GOLDEN_TOLERANCE, check_golden, golden_differences
from studio import shelf
from studio.language import plain, t
from studio.parts import table, teach_scores


def main() -> None:
    """Draw the page."""
    st.title(t("Model card"))
    bundle = shelf.chosen()
    st.caption(plain(f"{shelf.origin(bundle)} · {bundle.identity}"))
    left, right = st.columns([3, 2], gap="medium")
    with left:
        show_scores(bundle)
        show_health(bundle)
        show_proof(bundle)
    with right:
        st.image(
            bundle.files["preview.png"],
            width="stretch",
            output_format="PNG",
            alt=t("The bundle's own preview: images drawn from it"),
        )
        show_facts(bundle)
    show_files(bundle)
    show_use(bundle)


def show_scores(bundle: Bundle) -> None:
    """Draw every group of scores, and how they were measured."""
    st.subheader(t("Scores"))
    scores: Mapping[str, Any] = bundle.manifest.get("scores", {})
    if not scores:
        teach_scores()
        return
    for title, group in groups(scores):
        st.markdown(f"**{plain(title)}**")
        table((t("score"), t("value"), t("95% interval"), t("floor")), rows(group))
    for what, why in scores.get("not_measured", {}).items():
        st.caption(plain(t("Not measured: {what}: {why}", what=what, why=why)))
    with st.expander(t("How they were measured"), icon=":material/science:"):
        st.caption(t("The floor is what real training images get against real test images."))
        for sentence in protocol_sentences(scores):
            st.markdown(f"- {plain(sentence.replace('**', ''))}")


def show_health(bundle: Bundle) -> None:
    """Draw the sentences of latent health."""
    st.subheader(t("Latent health"))
    health = bundle.manifest.get("health")
    if not health:
        st.info(t("Not available: a GAN has no codes, and some data sets have too few."))
        return
    for limit in LIMITS:
        st.markdown(f"- {plain(health[limit]['sentence'])}")


def show_proof(bundle: Bundle) -> None:
    """Draw the parity that the export proved, and the button that proves the bundle here."""
    st.subheader(t("Proof"))
    st.markdown(
        t("Largest difference of each output between Keras and what was exported, by the export:")
    )
    lines = [
        (f"{model} · {port}", *(f"{max(batches.values()):.1e}" for batches in runtimes.values()))
        for model, ports in bundle.manifest["parity"].items()
        for port, runtimes in ports.items()
    ]
    names = next(iter(next(iter(bundle.manifest["parity"].values())).values()))
    table((t("output"), *names), lines)
    if st.button(t("Verify now"), icon=":material/verified:", type="primary"):
        verify(bundle)


def verify(bundle: Bundle) -> None:
    """Run the golden inputs on this server and compare the outputs with those in the bundle."""
    with st.spinner(t("Running the golden inputs…")):
        try:
            differences = golden_differences(bundle)
            table(
                (t("output"), t("difference here"), t("allowed")),
                [
                    (name, f"{largest:.1e}", f"{GOLDEN_TOLERANCE:g}")
                    for name, largest in differences.items()
                ],
            )
            check_golden(differences)
        except (BundleError, ParityError) as error:
            st.error(plain(str(error)))
            return
    st.success(
        t(
            "Verified: {count} files have the manifest's hashes, and this server makes the golden "
            "outputs again.",
            count=len(bundle.files),
        )
    )


def show_facts(bundle: Bundle) -> None:
    """Draw what the model is and where it comes from."""
    manifest = bundle.manifest
    dataset = manifest["dataset"]
    counts = ", ".join(f"{split} {count}" for split, count in dataset.get("counts", {}).items())
    facts = {
        "family": bundle.family.upper(),
        "latent size": bundle.latent_size,
        "image": " x ".join(map(str, bundle.image_shape)),
        "prior": f"{bundle.default_prior} ({', '.join(bundle.priors)})",
        "classes": ", ".join(bundle.class_names) if bundle.classes else "",
        "data set": f"{dataset['name']} {dataset.get('version', '')}",
        "images": counts,
        "preparation": dataset.get("preparation", ""),
        "licence of the data": dataset["licence"],
        "seed": manifest["seed"],
        "tools": ", ".join(f"{name} {version}" for name, version in manifest["tools"].items()),
    }
    st.subheader(t("Facts"))
    table((t("fact"), t("value")), [(t(name), str(v)) for name, v in facts.items() if str(v)])


def show_files(bundle: Bundle) -> None:
    """Draw the files with their sizes and hashes, and the models' ports."""
    with st.expander(t("Files and ports"), icon=":material/folder_zip:"):
        entries = bundle.manifest["files"].items()
        table(
            (t("file"), t("bytes"), "sha256"),
            [(name, f"{entry['bytes']:,}", entry["sha256"]) for name, entry in entries],
        )
        for model, ports in bundle.ports.items():
            sides = (
                ", ".join(f"{name} {shape}" for name, shape in ports[side].items())
                for side in ("inputs", "outputs")
            )
            st.markdown(plain(f"{model}.onnx: {' → '.join(sides)}"))


def show_use(bundle: Bundle) -> None:
    """Draw the lines that use the bundle elsewhere."""
    with st.expander(t("Use it in your own app"), icon=":material/code:"):
        path = str(bundle.path)
        st.code(
            "import gensuite\n\n"
            f"generator = gensuite.load({path!r})\n"
            "images = generator.sample(16, seed=7)\n"
        )
        st.code(
            f'python -m gensuite.verify "{path}"\n'
            f'python -m gensuite.sample "{path}" --count 64 --seed 7 --out grid.png',
            language="sh",
        )


main()
