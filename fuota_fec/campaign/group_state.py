"""Progress of a group through its rounds. It changes only where events are applied."""

from __future__ import annotations

from dataclasses import dataclass

from fuota_fec.campaign.plan import GroupPlan


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
        return self.plan.n_sequence - self.n_frames

    def begin_round(self, round_no: int, n_coded: int) -> None:
        """Adds coded fragments; a group without them begins its uncoded ones again."""
        if self.barred:
            return
        if n_coded:
            self.round, self.n_frames = round_no, self.n_frames + min(n_coded, self.rows_left)
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
