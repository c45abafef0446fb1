"""`fuota-fec encode` and `decode`: an image to a file of frames, one a line in hexadecimal, and back."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TypeVar

import click

from fuota_fec.checks import integer, shown
from fuota_fec.cli.options import NamedOptions
from fuota_fec.cli.output import check_output, json_option, print_json, version_option, write_whole
from fuota_fec.codec.block import FragmentedBlock, prepare
from fuota_fec.codec.decoder import Decoder
from fuota_fec.codec.limits import MAX_FRAG_NB
from fuota_fec.errors import ParameterError, UndecodableError, WireError
from fuota_fec.image import Format, ImageSource, load_image, parse_image
from fuota_fec.wire import fragmentation
from fuota_fec.wire.commands import Command

FIRST_LINE = "# DataFragment frames (TS004)"

C = TypeVar("C", bound=Command)


@click.command("encode", cls=NamedOptions)
@click.argument("image", type=click.Path(dir_okay=False, allow_dash=True))
@click.option("-o", "--output", required=True, help='File of frames to write; "-" for standard output.')
@click.option("-F", "--frag-size", type=int, default=222, show_default=True, help="Bytes of a fragment, 1 to 255.")
@click.option("-R", "--n-coded", type=int, help="Number of coded fragments.")
@click.option("--code-rate", help="Instead of -R: 1/2, 3/4, 5/6 (the default), 7/8, or 1 for none.")
@click.option("--rows", help="Row numbers of the coded fragments, such as 1,5,9; 1, 2, 3 … if not given.")
@click.option("--frag-index", type=int, default=0, show_default=True, help="Fragmentation session, 0 to 3.")
@click.option("--descriptor", default="00000000", show_default=True, help="4 bytes in hexadecimal.")
@click.option(
    "--format",
    "image_format",
    type=click.Choice(["auto", "binary", "hex", "srec"]),
    default="auto",
    show_default=True,
    help="Of IMAGE.",
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
    """Fragment IMAGE and add coded fragments; "-" reads it from standard input.

    Writes one DataFragment frame a line, and on top the FragSessionSetupReq that announces them.
    """
    check_output(output, as_json)
    if code_rate is not None and (n_coded is not None or rows is not None):
        other = "--n-coded" if n_coded is not None else "--rows"
        raise click.UsageError(f"--code-rate and {other} both say how many coded fragments: give one of them")
    if n_coded is None and code_rate is None and rows is None:
        code_rate = "5/6"
    source = ImageSource(path=image, format=image_format)
    data = parse_image(sys.stdin.buffer.read(), source) if image == "-" else load_image(source)
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

    Lines may be missing, in any order, and repeated; "-" reads them from standard input.
    Exit status 1 if too many are missing.
    """
    check_output(output, as_json)
    lines, notes = _read_lines(fragments)
    version = version or notes.get("dialect") or "1.0.0"
    setup = _read_setup(setup_hex if setup_hex is not None else notes.get("setup"), version, fragments)
    decoder = Decoder(setup.nb_frag, setup.frag_size, version=version)
    n_read = n_other = 0
    for number, line in lines:
        fragment = _read_command(fragmentation.DataFragment, line, version, f"{fragments}, line {number}")
        if fragment.frag_index != setup.frag_index:
            n_other += 1
            continue
        n_read += 1
        try:
            decoder.push(fragment.n, fragment.payload)
        except ParameterError as error:
            raise ParameterError(f"{fragments}, line {number}: {error}") from None
    other = f" ({n_other} passed over: their frag_index is not {setup.frag_index})" if n_other else ""
    if not decoder.complete:
        missing = decoder.missing
        raise UndecodableError(
            f"{fragments}: {n_read} fragments{other} do not determine the image of {setup.nb_frag}: "
            f"{missing} more independent ones are needed",
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
            }
        )
    elif output != "-":
        click.echo(f"{output}: {len(image)} bytes from {n_read} fragments{other}, {setup.nb_frag} were needed at least")


def _row_list(text: str | None) -> list[int] | None:
    if text is None:
        return None
    try:
        rows = [int(part) for part in text.replace(",", " ").split()]
    except ValueError:
        rows = []
    if not rows:
        raise ParameterError(f"--rows: {shown(text)} is not a list of row numbers such as 1,5,9")
    return [integer("--rows", row, 1, MAX_FRAG_NB) for row in rows]


def _descriptor(text: str) -> bytes:
    try:
        descriptor = bytes.fromhex(text)
    except ValueError:
        descriptor = b""
    if len(descriptor) != 4:
        raise ParameterError(f"--descriptor: {shown(text)} is not 8 hexadecimal digits")
    return descriptor


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


def _read_setup(text: str | None, version: str, path: str) -> fragmentation.FragSessionSetupReq:
    if text is None:
        raise ParameterError(f"{path}: there is no line '# setup …': give the FragSessionSetupReq with --setup")
    setup = _read_command(fragmentation.FragSessionSetupReq, text, version, "setup")
    length = setup.nb_frag * setup.frag_size
    if setup.padding >= length > 0:
        raise ParameterError(
            f"setup: {shown(text)}: {setup.padding} bytes of padding leave nothing of the {length} bytes of "
            f"{setup.nb_frag} fragments"
        )
    return setup


def _read_command(kind: type[C], text: str, version: str, where: str) -> C:
    """The one command that `text` is in hexadecimal. ParameterError if it is anything else."""
    try:
        commands = fragmentation.decode(bytes.fromhex(text), uplink=False, version=version)
    except (WireError, ParameterError) as error:
        raise ParameterError(f"{where}: {shown(text)} is not a {kind.__name__} of dialect {version}: {error}") from None
    except ValueError:
        raise ParameterError(f"{where}: {shown(text)} is not a {kind.__name__} in hexadecimal") from None
    if len(commands) != 1 or not isinstance(commands[0], kind):
        found = ", ".join(type(command).__name__ for command in commands) or "nothing"
        raise ParameterError(f"{where}: {shown(text)} is {found}, expected one {kind.__name__}")
    return commands[0]
