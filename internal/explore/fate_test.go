package explore

import (
	"slices"

	"github.com/tcpwatch/tcpwatch/model"
)

// judgements is what the model must say of each fate: the first row that fits.
var judgements = []struct {
	fate   Fate
	in     []model.State // nil for any
	orphan bool          // of orphans only
	reason model.CloseReason
	by     model.Closer
}{
	{fate: TimeWaitEntered, reason: model.ReasonFin, by: model.ClosedByLocal},
	{fate: FinWait2HandedOver, reason: model.ReasonFin, by: model.ClosedByLocal},
	{fate: FinAcknowledged, reason: model.ReasonFin, by: model.ClosedByPeer},
	{fate: ResetReceived, in: []model.State{model.SynSent}, reason: model.ReasonRefused, by: model.ClosedByPeer},
	{fate: ResetReceived, reason: model.ReasonResetByPeer, by: model.ClosedByPeer},
	{fate: DataAfterClose, reason: model.ReasonResetByLocalOther, by: model.ClosedByLocal},
	{fate: Linger2Negative, reason: model.ReasonResetByLocalLinger, by: model.ClosedByLocal},
	{fate: LingerZero, reason: model.ReasonResetByLocalLinger, by: model.ClosedByLocal},
	{fate: UnreadThrownAway, reason: model.ReasonResetByLocalUnread, by: model.ClosedByLocal},
	{fate: Disconnected, in: []model.State{model.SynRecv}, reason: model.ReasonHandshakeAbandoned, by: model.ClosedByLocal},
	{fate: Disconnected, reason: model.ReasonDisconnected, by: model.ClosedByLocal},
	{fate: Abandoned, reason: model.ReasonHandshakeAbandoned, by: model.ClosedByLocal},
	{fate: ConnectFailed, reason: model.ReasonHandshakeAbandoned, by: model.ClosedByKernel},
	{fate: RefusedByICMP, reason: model.ReasonRefused, by: model.ClosedByPeer},
	{fate: UnreachableByICMP, reason: model.ReasonUnreachable, by: model.ClosedByKernel},
	{fate: NeverAcknowledged, in: []model.State{model.SynSent, model.SynRecv}, reason: model.ReasonTimeoutSyn, by: model.ClosedByKernel},
	{fate: NeverAcknowledgedSoft, in: []model.State{model.SynSent, model.SynRecv}, reason: model.ReasonUnreachable, by: model.ClosedByKernel},
	{fate: NeverAcknowledged, orphan: true, reason: model.ReasonTimeoutOrphan, by: model.ClosedByKernel},
	{fate: NeverAcknowledgedSoft, orphan: true, reason: model.ReasonTimeoutOrphan, by: model.ClosedByKernel},
	{fate: WindowNeverOpened, orphan: true, reason: model.ReasonTimeoutOrphan, by: model.ClosedByKernel},
	{fate: NeverAcknowledged, reason: model.ReasonTimeoutRetransmit, by: model.ClosedByKernel},
	{fate: NeverAcknowledgedSoft, reason: model.ReasonTimeoutRetransmit, by: model.ClosedByKernel},
	{fate: WindowNeverOpened, reason: model.ReasonTimeoutRetransmit, by: model.ClosedByKernel},
	{fate: KeepaliveUnanswered, reason: model.ReasonTimeoutKeepalive, by: model.ClosedByKernel},
	{fate: FinWait2TooLong, reason: model.ReasonTimeoutOrphan, by: model.ClosedByKernel},
	{fate: OutOfMemory, reason: model.ReasonResetByLocalOther, by: model.ClosedByKernel},
	{fate: OutOfMemorySilently, reason: model.ReasonTimeoutOrphan, by: model.ClosedByKernel},
	{fate: Aborted, reason: model.ReasonKilled, by: model.ClosedByKernel},
	{fate: ListenerGone, reason: model.ReasonListenerClosed, by: model.ClosedByLocal},
	{fate: ChildFailed, reason: model.ReasonNeverAccepted, by: model.ClosedByKernel},
	{fate: ListenerStopped, reason: model.ReasonListenEnded, by: model.ClosedByLocal},
}

// right reports whether a closure is what the fate deserves.
func right(fate Fate, e *model.Ending, c *model.Closure) bool {
	if c.Verdict == model.Unjudged || c.Verdict == model.Impossible {
		return false
	}
	if fate == Disconnected && looksLikeClose(e) {
		return c.By == model.ClosedByLocal
	}
	for _, j := range judgements {
		if j.fate == fate && (j.in == nil || slices.Contains(j.in, e.From)) && (!j.orphan || e.Evidence.Has(model.Dead)) {
			return c.Reason == j.reason && c.By == j.by
		}
	}
	return false
}

// looksLikeClose: connect(AF_UNSPEC) after shutdown() of both directions leaves what
// close() leaves, with SO_LINGER 0 set or with data unread, in every field. For data
// unread a kernel that names the reason of its RST tells which it was.
func looksLikeClose(e *model.Ending) bool {
	unread := int32(e.Evidence.RcvNxt-e.Evidence.CopiedSeq) > 0
	unnamed := !e.HasResetReason || e.ResetReason == "NOT_SPECIFIED"
	return e.Evidence.Shutdown == shutBoth && (e.Evidence.Has(model.Linger0) || unread && unnamed)
}
