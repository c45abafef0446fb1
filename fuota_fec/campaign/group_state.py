"""Progress of a group through its rounds. It changes only where events are applied."""

from __future__ import annotations

from dataclasses import dataclass

from fuota_fec.campaign.plan import GroupPlan
from fuota_fec.planning.top_up import n_uncoded


@dataclass(slots=True)
class Frame:
    """A frame that was requested; `repeats` is the number of its repeats so far, as no gateway sent it."""

    frag_nb: int | None
    """Number of the fragment; None for a command."""
    f_cnt: int | None
    """Counter of the last request."""
    repeats: int = 0
    handed_over: bool = False


@dataclass(slots=True, kw_only=True)
class GroupState:
    """Progress of a group."""

    plan: GroupPlan
    next_f_cnt: int
    n_frames: int
    """Number of frames after which the present round is over."""
    round: int = 1
    begun_at: int = 0
    """Number of frames requested before the present round, if it is a further one with coded fragments."""
    n_before: int = 0
    """Number of those that are of the sequence of the plan; the others are uncoded ones of further rounds."""
    n_requested: int = 0
    """Number of frames requested so far: in the present round if rounds repeat the uncoded fragments, else in all."""
    unsent: tuple[Frame, ...] = ()
    """Fragments that were requested and not sent: the next session begins with them."""
    failed: str = ""
    """Reason why the group does not get all of its frames; "" otherwise."""
    barred: str = ""
    """Reason why nothing more is sent to the group by multicast; "" otherwise."""
    next_slot: float = float("-inf")
    """Unix time of the earliest next frame."""

    @property
    def name(self) -> str:
        return self.plan.group.name

    @property
    def remaining(self) -> int:
        """Number of frames to be sent in the present round; 0 if nothing more may be sent."""
        return 0 if self.barred else self.n_frames - self.n_requested + len(self.unsent)

    @property
    def remaining_coded(self) -> int:
        """Number of coded fragments among the remaining frames."""
        n_new = 0 if self.barred else self.n_frames - max(self.n_requested, min(self.plan.n_frags, self.n_frames))
        return n_new + sum(f.frag_nb is not None and f.frag_nb > self.plan.n_frags for f in self.unsent)

    @property
    def rows_left(self) -> int:
        """Number of coded fragments that no round so far includes."""
        return self.plan.n_sequence - self._n_of_sequence(self.n_frames)

    def frag_nb(self, idx: int) -> int:
        """N of the fragment that is sent as frame `idx` (from 0) of the present round, or of those so far if that has
        coded fragments: the next one of the sequence, or an uncoded one of a further round."""
        plan, place, nth = self.plan.row_plan, idx - self.begun_at, self._n_uncoded(idx)
        if self._n_uncoded(idx + 1) == nth:
            return self.plan.frag_nb(self._n_of_sequence(idx))
        in_head, n_earlier = place < plan.n_head, self.begun_at - self.n_before
        taken = range(n_earlier, n_earlier + plan.n_head) if in_head else (n_earlier + nth,)
        return sorted(plan.uncoded[n % len(plan.uncoded)] for n in taken)[place if in_head else 0]

    def _n_uncoded(self, n_frames: int) -> int:
        """Number of uncoded fragments among the frames from the begin of the present further round up to `n_frames`."""
        if self.round == 1:
            return 0
        return n_uncoded(n_frames - self.begun_at, self.plan.row_plan.n_head, self.plan.row_plan.uncoded_every)

    def _n_of_sequence(self, n_frames: int) -> int:
        """Number of fragments of the sequence among the first `n_frames`."""
        return self.n_before + n_frames - self.begun_at - self._n_uncoded(n_frames)

    def begin_round(self, round_no: int, n_frames: int) -> None:
        """Adds frames of a further round; a group without coded fragments begins its uncoded ones again."""
        if self.barred:
            return
        if n_frames:
            n_open = self.n_frames - self.n_requested
            self.n_before, self.begun_at = self._n_of_sequence(self.n_requested), self.n_requested
            self.round = round_no
            most = self.plan.further(self.plan.n_sequence - self.n_before)
            self.n_frames = self.n_requested + min(n_open + n_frames, most)
        elif not self.plan.fec and round_no <= self.plan.rounds:
            self.round, self.n_requested, self.n_frames, self.unsent = round_no, 0, self.plan.n_frags, ()

    def end_round(self) -> None:
        """Ends the round with the frames that were requested."""
        self.n_frames = self.n_requested

    def remaining_time(self) -> float:
        """Time that a session needs for the remaining frames and the status request after them, s."""
        status = self.plan.time.spacing + self.plan.status_wait if self.plan.n_status else 0.0
        time, n_coded = self.plan.time, self.remaining_coded
        frames = (self.remaining - n_coded) * time.spacing + n_coded * time.coded_spacing
        return self.plan.lead + frames + self.plan.slot + status
