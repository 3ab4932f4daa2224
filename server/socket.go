package server

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"os/user"
	"runtime/debug"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/keyd-hsm/keyd/mfa/protocol"
	"github.com/keyd-hsm/keyd/server/listen"
)

// SocketConfig says what local users may do on the MFA socket.
type SocketConfig struct {
	// Rules are all that is allowed; without one nobody may do anything.
	Rules []LocalRule
	// Region stands in audit events.
	Region string
}

// A Socket answers the requests of local programs on the MFA socket, which
// docs/spec/mfa.md specifies. Who calls is the Unix user that the kernel names, so
// it serves a Unix socket of package listen and nothing else. Each request leaves
// one audit event before it is answered, but for those of strangers beyond a number:
// they leave their count.
type Socket struct {
	*Server
	SocketConfig
	strangers strangers
}

var _ http.Handler = (*Socket)(nil)

// Socket makes the handler of the MFA socket.
func (s *Server) Socket(cfg SocketConfig) *Socket {
	return &Socket{Server: s, SocketConfig: cfg}
}

// Run puts into the audit log how many requests of strangers left no event of their
// own, when it is time. When ctx ends it ends the waits of all clients, so that a
// listener that drains need not wait for them.
func (k *Socket) Run(ctx context.Context) error {
	t := time.NewTicker(strangerSpan / 4)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			k.recordLeftOut(k.strangers.over(k.Clock(), false))
			continue
		case <-ctx.Done():
		}
		k.challenges.Close()
		k.recordLeftOut(k.strangers.over(k.Clock(), true))
		return nil
	}
}

// LongestWait is how long one request on the MFA socket may take, its wait included,
// where work is bounded by timeout (0 means [DefaultTimeout]): what a listener has to
// allow between the header and the answer.
func LongestWait(timeout time.Duration) time.Duration {
	return maxWait + cmp.Or(timeout, DefaultTimeout) + answerTime
}

// answerTime is for reading the request and writing the answer.
const answerTime = 15 * time.Second

// A localCall is one request on its way. It belongs to the goroutine that serves it.
type localCall struct {
	ctx      context.Context
	w        http.ResponseWriter
	r        *http.Request
	id       string    // request id
	received time.Time // by the appliance's clock
	peer     listen.Peer
	name     string // of the local user; "" if there is none of that uid
	rules    []LocalRule

	operation  localOperation
	challenge  string         // id, as it was asked for
	parameters map[string]any // for the audit event, and so are elements
	elements   map[string]any
	recorded   bool // the event is on disk
}

// from is how the caller is called in the table of challenges.
func (c *localCall) from() string { return "uid:" + uidText(c.peer.UID) }

// nameOf is what the machine calls a uid; "" if it knows none.
func nameOf(uid uint32) string {
	if u, err := user.LookupId(uidText(uid)); err == nil {
		return u.Username
	}
	return ""
}

// A localOperation is a kind of request.
type localOperation struct {
	name     string
	readOnly bool
	status   int // of a success
	run      func(*Socket, *localCall) (any, error)
}

// unknownRequest is what is none of those.
var unknownRequest = localOperation{name: "Unknown", run: func(*Socket, *localCall) (any, error) {
	return nil, invalid("there is no such request")
}}

// local finds the operation of a method and a path, and the id in the path.
func local(method, path string) (op localOperation, id string) {
	rest, ok := strings.CutPrefix(path, "/v1/challenges")
	if !ok {
		return unknownRequest, ""
	}
	id, action, _ := strings.Cut(strings.TrimPrefix(rest, "/"), "/")
	switch {
	case rest == "" && method == http.MethodPost:
		return localOperation{"CreateChallenge", false, http.StatusCreated, (*Socket).ask}, ""
	case rest == "" && method == http.MethodGet:
		return localOperation{"ListChallenges", true, http.StatusOK, (*Socket).list}, ""
	case !isChallengeID(id):
	case rest == "/"+id+"/answer" && action == "answer" && method == http.MethodPost:
		return localOperation{"AnswerChallenge", false, http.StatusOK, (*Socket).answer}, id
	case rest == "/"+id && method == http.MethodGet:
		return localOperation{"GetChallengeOutcome", true, http.StatusOK, (*Socket).outcome}, id
	case rest == "/"+id && method == http.MethodDelete:
		return localOperation{"DeleteChallenge", false, http.StatusNoContent, (*Socket).cancel}, id
	}
	return unknownRequest, ""
}

// isChallengeID reports whether text can be the id of a challenge at all.
func isChallengeID(text string) bool {
	return len(text) == 32 && strings.Trim(text, "0123456789abcdef") == ""
}

// ServeHTTP answers one request and leaves one audit event.
func (k *Socket) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := &localCall{
		ctx: r.Context(), w: w, r: r, id: uuid.NewString(), received: k.Clock(), parameters: map[string]any{}, elements: map[string]any{},
	}
	w.Header().Set("X-Amzn-Requestid", c.id)
	status, out := k.serve(c)
	writeLocal(w, status, out)
}

// writeLocal writes an answer. That a client has gone is no matter of ours: the
// event stands.
func writeLocal(w http.ResponseWriter, status int, out any) {
	if status == http.StatusNoContent {
		w.WriteHeader(status)
		return
	}
	body, err := json.Marshal(out)
	if err != nil { // of no type that is answered
		status, body = http.StatusInternalServerError, nil
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

// serve does all of a call. Whatever goes wrong, an answer comes of it, and none
// is given that is not in the audit log.
func (k *Socket) serve(c *localCall) (status int, out any) {
	defer func() {
		if p := recover(); p != nil {
			k.Logger.Error("panic", "request", c.id, "operation", c.operation.name, "panic", p, "stack", string(debug.Stack()))
			status, out = k.finish(c, nil, errPanic)
		}
	}()
	c.operation, c.challenge = local(c.r.Method, c.r.URL.EscapedPath())
	peer, ok := listen.PeerOf(c.r.Context())
	if !ok {
		return k.finish(c, nil, notAllowed("the MFA socket is a Unix socket, and this is none"))
	}
	c.peer, c.rules = peer, k.rulesOf(peer.UID)
	if len(c.rules) == 0 {
		return k.stranger(c)
	}
	c.name = nameOf(peer.UID)
	listen.Vouch(c.ctx)
	result, err := c.operation.run(k, c)
	return k.finish(c, result, err)
}

// finish makes the answer and releases it when its event is on disk.
func (k *Socket) finish(c *localCall, out any, err error) (int, any) {
	if !c.recorded {
		if failure := k.record(c, err); failure != nil {
			out, err = nil, failure
		}
	}
	if err != nil {
		f := k.localFault(c, err)
		return f.status, &protocol.Error{Code: f.code, Message: f.message}
	}
	return c.operation.status, out
}

// work bounds the work on a call, beside what it waits for.
func (k *Socket) work(c *localCall, waits time.Duration) context.CancelFunc {
	ctx, cancel := context.WithTimeout(c.r.Context(), waits+k.Timeout)
	c.ctx = ctx
	return cancel
}
