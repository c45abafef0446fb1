"""`fuota-fec encode` and `decode`: an image to a file of frames, one a line in hexadecimal, and back."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

import click

from fuota_fec.cli.output import json_option, print_json, version_option, write_whole
from fuota_fec.codec.block import FragmentedBlock, prepare
from fuota_fec.codec.decoder import Decoder
from fuota_fec.errors import ParameterError, UndecodableError, WireError
from fuota_fec.image import Format, ImageSource, load_image
from fuota_fec.wire import fragmentation

FIRST_LINE = "# DataFragment frames (TS004)"


@click.command("encode")
@click.argument("image", type=click.Path(dir_okay=False))
@click.option("-o", "--output", required=True, help='File of frames to write; "-" for standard output.')
@click.option("-F", "--frag-size", type=int, default=222, show_default=True, help="Bytes of a fragment, 1 to 255.")
@click.option("-R", "--n-coded", type=int, help="Number of coded fragments.")
@click.option("--code-rate", help="Instead of -R: 1/2, 3/4, 5/6 (the default), 7/8, or 1 for none.")
@click.option("--rows", help="Row numbers of the coded fragments, such as 1,5,9; 1, 2, 3 … if not given.")
@click.option("--frag-index", type=int, default=0, show_default=True, help="Fragmentation session, 0 to 3.")
@click.option("--descriptor", default="00000000", show_default=True, help="4 bytes in hexadecimal.")
@click.option(
    "--format", "image_format", type=click.Choice(["auto", "binary", "hex", "srec"]), default="auto", show_default=True
)
@version_option
@json_option
def encode_command(
    image: str,
    output: str,
    frag_size: int,
    n_coded: int | None,
    code_rate: str | None,
    rows: str | None,
    frag_index: int,
    descriptor: str,
    image_format: Format,
    version: str,
    as_json: bool,
) -> None:
    """Fragment IMAGE and add coded fragments.

    Writes one DataFragment frame a line, and on top the FragSessionSetupReq that announces them.
    """
    data = load_image(ImageSource(path=image, format=image_format))
    if n_coded is None and code_rate is None and rows is None:
        code_rate = "5/6"
    block = prepare(
        data,
        frag_size,
        n_coded=n_coded or 0,
        code_rate=code_rate,
        rows=_row_list(rows),
        version=version,
        frag_index=frag_index,
        descriptor=_descriptor(descriptor),
    )
    setup = _setup(block)
    lines = [FIRST_LINE, f"# dialect {version}", f"# setup {setup.hex()}", *(bytes(f).hex() for f in block.frames)]
    write_whole(output, ("\n".join(lines) + "\n").encode())
    facts = {
        "image": image,
        "image_len": block.image_len,
        "dialect": version,
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
        click.echo(
            f"{image}: {block.image_len} bytes = {block.n_frags} fragments of {frag_size} bytes "
            f"(padding {block.padding}), {block.n_coded} coded, dialect {version}: {output}"
        )


@click.command("decode")
@click.argument("fragments", type=click.Path(dir_okay=False, allow_dash=True))
@click.option("-o", "--output", required=True, help='File to write the image to; "-" for standard output.')
@click.option("--setup", "setup_hex", help="FragSessionSetupReq in hexadecimal; that of the file if not given.")
@click.option("--dialect", "version", type=click.Choice(["1.0.0", "2.0.0"]), help="That of the file if not given.")
@json_option
def decode_command(fragments: str, output: str, setup_hex: str | None, version: str | None, as_json: bool) -> None:
    """Rebuild the image from FRAGMENTS, a file of DataFragment frames, one a line in hexadecimal.

    Lines may be missing, in any order, and repeated. Exit status 1 if too many are missing.
    """
    lines, notes = _read_lines(fragments)
    version = version or notes.get("dialect") or "1.0.0"
    setup = _parse_setup(setup_hex or notes.get("setup"), version, fragments)
    decoder = Decoder(setup.nb_frag, setup.frag_size, version=version)
    n_read = 0
    for number, line in lines:
        fragment = _parse_fragment(line, number, fragments, version)
        if fragment.frag_index != setup.frag_index:
            continue
        n_read += 1
        try:
            decoder.push(fragment.n, fragment.payload)
        except ParameterError as error:
            raise ParameterError(f"{fragments}, line {number}: {error}") from None
    if not decoder.complete:
        missing = decoder.missing
        raise UndecodableError(
            f"{fragments}: {n_read} fragments do not determine the image of {setup.nb_frag}: "
            f"{missing} more independent ones are needed",
            missing=missing,
        )
    image = decoder.block()[: setup.nb_frag * setup.frag_size - setup.padding]
    write_whole(output, image)
    if as_json:
        print_json({"output": output, "image_len": len(image), "n_read": n_read, "n_frags": setup.nb_frag})
    elif output != "-":
        click.echo(f"{output}: {len(image)} bytes from {n_read} fragments, {setup.nb_frag} were needed at least")


def _row_list(text: str | None) -> list[int] | None:
    if text is None:
        return None
    try:
        return [int(part) for part in text.replace(",", " ").split()]
    except ValueError:
        raise ParameterError(f"--rows: {text!r} is not a list of row numbers such as 1,5,9") from None


def _descriptor(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise ParameterError(f"--descriptor: {text!r} is not 8 hexadecimal digits") from None


def _setup(block: FragmentedBlock) -> bytes:
    """As sent by unicast, without what is each device's own: group mask, answer delay, and in 2.0.0 counter and MIC."""
    second = block.version == "2.0.0"
    request = block.setup_request(
        mc_group_bit_mask=0,
        block_ack_delay=0,
        session_cnt=0 if second else None,
        mic=bytes(4) if second else None,
    )
    return request.encode()


def _read_lines(path: str) -> tuple[list[tuple[int, str]], dict[str, str]]:
    """The frames with their line numbers, and the notes of the comment lines."""
    try:
        text = sys.stdin.read() if path == "-" else Path(path).read_text(encoding="ascii")
    except OSError as error:
        raise ParameterError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ParameterError(f"{path}: not a text file of frames in hexadecimal") from None
    lines: list[tuple[int, str]] = []
    notes: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if words[:1] == ["#"] and len(words) == 3:
            notes[words[1]] = words[2]
        elif words and not line.startswith("#"):
            lines.append((number, line.strip()))
    return lines, notes


def _parse_setup(text: str | None, version: str, path: str) -> fragmentation.FragSessionSetupReq:
    if text is None:
        raise ParameterError(f"{path}: there is no line '# setup …': give the FragSessionSetupReq with --setup")
    try:
        commands: Iterable[object] = fragmentation.decode(bytes.fromhex(text), uplink=False, version=version)
    except (ValueError, WireError) as error:
        raise ParameterError(f"setup: {text!r} is not a FragSessionSetupReq of dialect {version}: {error}") from None
    for command in commands:
        if isinstance(command, fragmentation.FragSessionSetupReq):
            return command
    raise ParameterError(f"setup: {text!r} is not a FragSessionSetupReq of dialect {version}")


def _parse_fragment(line: str, number: int, path: str, version: str) -> fragmentation.DataFragment:
    try:
        [command] = fragmentation.decode(bytes.fromhex(line), uplink=False, version=version)
    except (ValueError, WireError) as error:
        raise ParameterError(f"{path}, line {number}: not a DataFragment frame: {error}") from None
    if not isinstance(command, fragmentation.DataFragment):
        raise ParameterError(f"{path}, line {number}: {type(command).__name__}, expected a DataFragment")
    return command
