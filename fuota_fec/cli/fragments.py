"""`fuota-fec encode` and `decode`: from an image to a file of frames, one per line in hexadecimal, and back."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import click

from fuota_fec.checks import integer, shown
from fuota_fec.cli.clean import say
from fuota_fec.cli.image_options import image_options, read_given
from fuota_fec.cli.options import NamedOptions
from fuota_fec.cli.output import check_output, dialect_option, json_option, print_json, region_option, write_whole
from fuota_fec.cli.payloads import READERS, encoding_of, read_payload
from fuota_fec.codec.block import FragmentedBlock, prepare
from fuota_fec.codec.decoder import Decoder
from fuota_fec.errors import ParameterError, UndecodableError, WireError
from fuota_fec.files import read_file, read_stream
from fuota_fec.wire import fragmentation
from fuota_fec.wire.commands import Command
from fuota_fec.wire.dialects import DIALECTS
from fuota_fec.wire.limits import MAX_FRAG_NB

FIRST_LINE = "# DataFragment frames (TS004)"

C = TypeVar("C", bound=Command)


@click.command("encode", cls=NamedOptions)
@click.argument("images", metavar="IMAGE…", nargs=-1, required=True, type=click.Path(dir_okay=False, allow_dash=True))
@click.option("-o", "--output", help='File of frames to write; "-" for standard output.')
@click.option(
    "--out-dir",
    type=click.Path(file_okay=False),
    help="Folder to write instead: each image for each data rate as .npy, and manifest.json, as of prepare.",
)
@click.option("--dr", "drs", metavar="DR,…", help="With --out-dir: data rates, such as 0,3,5. Default: by -F.")
@region_option
@click.option("-F", "--frag-size", type=int, default=222, show_default=True, help="Bytes of a fragment, 1 to 255.")
@click.option("-R", "--n-coded", type=int, help="Number of coded fragments.")
@click.option("--code-rate", help="Code rate instead of -R: 1/2, 3/4, 5/6 (the default), 7/8, or 1 for none.")
@click.option("--rows", help="Row numbers of the coded fragments, such as 1,5,9. Default: 1, 2, 3 …")
@click.option("--frag-index", type=int, default=0, show_default=True, help="Fragmentation session, 0 to 3.")
@click.option("--descriptor", default="00000000", show_default=True, help="Descriptor, 4 bytes in hexadecimal.")
@image_options
@dialect_option
@json_option
def encode_command(
    images: tuple[str, ...],
    output: str | None,
    out_dir: str | None,
    drs: str | None,
    frag_size: int,
    n_coded: int | None,
    code_rate: str | None,
    rows: str | None,
    frag_index: int,
    descriptor: str,
    dialect: str,
    as_json: bool,
    **given: Any,
) -> None:
    """Fragment IMAGE and add coded fragments; "-" reads it from standard input.

    The output has one DataFragment frame per line, after comment lines with the dialect and the FragSessionSetupReq.
    With --out-dir several images are prepared for several data rates.
    """
    if out_dir is not None:
        from fuota_fec.cli.encode_batch import encode_batch

        encode_batch(click.get_current_context(), out_dir)
    if output is None:
        raise click.UsageError("Missing option '-o' / '--output', or '--out-dir'.")
    if len(images) > 1 or drs is not None:
        raise click.UsageError("several images and data rates go with --out-dir DIR, -o takes one image")
    [image] = images
    check_output(output, as_json)
    if code_rate is not None and (n_coded is not None or rows is not None):
        other = "--n-coded" if n_coded is not None else "--rows"
        raise click.UsageError(f"--code-rate and {other} both set the number of coded fragments: give one of them")
    if n_coded is None and code_rate is None and rows is None:
        code_rate = "5/6"
    block = prepare(
        read_given(image, given).data,
        frag_size,
        n_coded=n_coded or 0,
        code_rate=code_rate,
        rows=_row_list(rows),
        dialect=dialect,
        frag_index=frag_index,
        descriptor=_descriptor(descriptor),
    )
    setup = _setup(block)
    lines = [FIRST_LINE, f"# dialect {dialect}", f"# setup {setup.hex()}", *(bytes(f).hex() for f in block.frames)]
    write_whole(output, ("\n".join(lines) + "\n").encode())
    facts = {
        "image": image,
        "image_len": block.image_len,
        "dialect": dialect,
        "frag_size": block.frag_size,
        "n_frags": block.n_frags,
        "n_coded": block.n_coded,
        "padding": block.padding,
        "setup": setup.hex(),
        "output": output,
    }
    if as_json:
        print_json(facts)
    elif output != "-":
        say(
            f"{image}: {block.image_len} bytes = {block.n_frags} fragments of {frag_size} bytes "
            f"(padding {block.padding}), {block.n_coded} coded, dialect {dialect}: {output}"
        )


@click.command("decode")
@click.argument("fragments", type=click.Path(dir_okay=False, allow_dash=True))
@click.option("-o", "--output", required=True, help='File to write the image to; "-" for standard output.')
@click.option(
    "--setup", "setup_text", help="FragSessionSetupReq in hexadecimal or base64. Default: the one in the file."
)
@click.option("--dialect", type=click.Choice(list(DIALECTS)), help="TS004 dialect. Default: the one in the file.")
@json_option
def decode_command(fragments: str, output: str, setup_text: str | None, dialect: str | None, as_json: bool) -> None:
    """Rebuild the image from FRAGMENTS, a file of DataFragment frames, one per line in hexadecimal or base64.

    Lines may be missing, in any order, or repeated; "-" reads them from standard input. Exit status 1 if too many
    are missing.
    """
    check_output(output, as_json)
    lines, notes = _read_lines(fragments)
    dialect = dialect or notes.get("dialect") or "1.0.0"
    setup = _read_setup(setup_text if setup_text is not None else notes.get("setup"), dialect, fragments)
    encoding = encoding_of([line for _, line in lines])
    decoder = Decoder(setup.nb_frag, setup.frag_size, dialect=dialect)
    n_read = n_other = 0
    for number, line in lines:
        where = f"{fragments}, line {number}"
        fragment = _read_command(fragmentation.DataFragment, line, READERS[encoding](line), dialect, where)
        if fragment.frag_index != setup.frag_index:
            n_other += 1
            continue
        n_read += 1
        try:
            decoder.push(fragment.n, fragment.payload)
        except ParameterError as error:
            raise ParameterError(f"{where}: {error}") from None
    other = f" ({n_other} skipped: their frag_index is not {setup.frag_index})" if n_other else ""
    if not decoder.complete:
        missing = decoder.missing
        raise UndecodableError(
            f"{fragments}: {n_read} fragments{other} do not determine the image of {setup.nb_frag} fragments, expected "
            f"{missing} more independent ones",
            missing=missing,
        )
    image = decoder.block()[: setup.nb_frag * setup.frag_size - setup.padding]
    write_whole(output, image)
    if as_json:
        print_json(
            {
                "output": output,
                "image_len": len(image),
                "n_read": n_read,
                "n_passed_over": n_other,
                "n_frags": setup.nb_frag,
                "encoding": encoding,
            }
        )
    elif output != "-":
        say(
            f"{output}: {len(image)} bytes from {n_read} fragments in {encoding}{other}, at least {setup.nb_frag} were "
            "needed"
        )


def _row_list(text: str | None) -> list[int] | None:
    if text is None:
        return None
    try:
        rows = [int(part) for part in text.replace(",", " ").split()]
    except ValueError:
        rows = []
    if not rows:
        raise ParameterError(f"--rows: {shown(text)} is not a list of row numbers, expected one such as 1,5,9")
    return [integer("--rows", row, 1, MAX_FRAG_NB) for row in rows]


def _descriptor(text: str) -> bytes:
    try:
        descriptor = bytes.fromhex(text)
    except ValueError:
        descriptor = b""
    if len(descriptor) != 4:
        raise ParameterError(f"--descriptor: {shown(text)} is not a descriptor, expected 8 hexadecimal digits")
    return descriptor


def _setup(block: FragmentedBlock) -> bytes:
    """FragSessionSetupReq with zeros for the fields of a device: group mask, answer delay, in 2.0.0 counter and MIC."""
    second = block.dialect == "2.0.0"
    request = block.setup_request(
        mc_group_bit_mask=0,
        block_ack_delay=0,
        session_cnt=0 if second else None,
        mic=bytes(4) if second else None,
    )
    return request.encode()


def _read_lines(path: str) -> tuple[list[tuple[int, str]], dict[str, str]]:
    """Frames with their line numbers, and the values of the comment lines by name."""
    try:
        named = read_stream(sys.stdin.buffer, path) if path == "-" else read_file(Path(path), path)
        text = named.decode("ascii")
    except UnicodeDecodeError:
        raise ParameterError(f"{path}: not a text file, expected frames in hexadecimal") from None
    lines: list[tuple[int, str]] = []
    notes: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if words[:1] == ["#"] and len(words) == 3:
            notes[words[1]] = words[2]
        elif words[:2] == ["#", "setup"] and read_payload(value := " ".join(words[2:])) is not None:
            notes["setup"] = value
        elif words and not line.startswith("#"):
            lines.append((number, line.strip()))
    return lines, notes


def _read_setup(text: str | None, dialect: str, path: str) -> fragmentation.FragSessionSetupReq:
    if text is None:
        raise ParameterError(f"{path}: there is no line '# setup …', expected one, or the option --setup")
    payload = read_payload(text)
    octets = payload.octets if payload is not None else None
    try:
        setup = _read_command(fragmentation.FragSessionSetupReq, text, octets, dialect, "setup")
    except ParameterError as error:
        raise ParameterError(f"{error}{_other_dialect(text, octets, dialect)}") from None
    length = setup.nb_frag * setup.frag_size
    if setup.padding >= length > 0:
        raise ParameterError(
            f"setup: {shown(text)} has {setup.padding} bytes of padding, expected fewer than the {length} bytes of "
            f"{setup.nb_frag} fragments"
        )
    return setup


def _other_dialect(text: str, octets: bytes | None, dialect: str) -> str:
    """Hint at the dialect that a setup is of, if it is not the one that was expected; "" otherwise."""
    for other in DIALECTS:
        with suppress(ParameterError):
            _read_command(fragmentation.FragSessionSetupReq, text, octets, other, "setup")
            return f"; it is one of dialect {other}: expected --dialect {other}" if other != dialect else ""
    return ""


def _read_command(kind: type[C], text: str, octets: bytes | None, dialect: str, where: str) -> C:
    """Single command of this kind from the bytes of `text`. ParameterError for any other text."""
    if octets is None:
        raise ParameterError(f"{where}: {shown(text)} is not a {kind.__name__} in hexadecimal or base64")
    try:
        commands = fragmentation.decode(octets, uplink=False, dialect=dialect)
    except (WireError, ParameterError) as error:
        raise ParameterError(f"{where}: {shown(text)} is not a {kind.__name__} of dialect {dialect}: {error}") from None
    if len(commands) != 1 or not isinstance(commands[0], kind):
        found = ", ".join(type(command).__name__ for command in commands) or "nothing"
        raise ParameterError(f"{where}: {shown(text)} is {found}, expected one {kind.__name__}")
    return commands[0]
