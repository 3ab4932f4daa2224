package command

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"

	"github.com/keyd-hsm/keyd/server/listen"
)

// controlPrefix begins the paths of requests that concern the daemon itself, on the
// Unix socket of the API: docs/spec/piv-token.md.
const controlPrefix = "/keyd/v1/"

// controlled lets control answer what comes through the Unix socket under
// controlPrefix, and next all else: over TCP there are no such paths.
func controlled(control, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, local := listen.PeerOf(r.Context()); local && strings.HasPrefix(r.URL.Path, controlPrefix) {
			control.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// States of a daemon.
const (
	stateSealed    = "sealed"
	stateUnsealing = "unsealing"
	stateOpen      = "open"
)

// controlState answers what state a daemon is in, and steps of its unsealing: a
// stream of them ends with the state that it came to, or with an error.
type controlState struct {
	State string   `json:"state,omitempty"`
	Token string   `json:"token,omitempty"`
	Keys  []string `json:"keys,omitempty"` // on cards, which open it
	// Touch names the key whose card blinks for a touch.
	Touch string `json:"touch,omitempty"`
	// Error is a code of the table in the specification, Message the words for it,
	// Tries how many wrong PINs the card still bears.
	Error   string `json:"error,omitempty"`
	Message string `json:"message,omitempty"`
	Tries   *int   `json:"tries,omitempty"`
}

// alwaysOpen is the control of a daemon that has nothing to unseal.
func alwaysOpen() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet || r.URL.Path != controlPrefix+"unseal" {
			answerControl(w, http.StatusConflict, controlState{Error: "no_card_token", Message: "this keyd's token is not sealed to a card: there is nothing to seal or unseal"})
			return
		}
		answerControl(w, http.StatusOK, controlState{State: stateOpen})
	})
}

func answerControl(w http.ResponseWriter, status int, s controlState) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(s) // a client that has gone gets no answer
}

// mayControl reports whether a local process may seal and unseal: root's, and those
// of the user that keyd runs as. Others could use up the tries of the PIN.
func mayControl(p listen.Peer) bool {
	return p.UID == 0 || int(p.UID) == os.Geteuid()
}

// control is how a daemon whose token is sealed to a card is unsealed, asked and
// sealed again.
func (r *rooted) control() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+controlPrefix+"unseal", func(w http.ResponseWriter, _ *http.Request) {
		answerControl(w, http.StatusOK, r.state())
	})
	mux.HandleFunc("POST "+controlPrefix+"unseal", r.allowed(r.serveUnseal))
	mux.HandleFunc("POST "+controlPrefix+"seal", r.allowed(r.serveSeal))
	return mux
}

func (r *rooted) allowed(serve func(http.ResponseWriter, *http.Request, listen.Peer)) http.HandlerFunc {
	return func(w http.ResponseWriter, req *http.Request) {
		peer, ok := listen.PeerOf(req.Context())
		if !ok || !mayControl(peer) {
			answerControl(w, http.StatusForbidden, controlState{Error: "not_allowed", Message: "only root and the user that keyd runs as may seal and unseal"})
			return
		}
		serve(w, req, peer)
	}
}

// serveUnseal takes the PIN, which is the whole body, and tells each step as a line.
func (r *rooted) serveUnseal(w http.ResponseWriter, req *http.Request, peer listen.Peer) {
	pin, err := io.ReadAll(io.LimitReader(req.Body, maxPIN+1))
	defer clear(pin)
	if err != nil || len(pin) > maxPIN {
		answerControl(w, http.StatusBadRequest, controlState{Error: "pin_form", Message: "the body is no PIN"})
		return
	}
	steps := newSteps(w)
	defer steps.end()
	err = r.unseal(req.Context(), try{
		pin: pin, lastTry: req.URL.Query().Get("last_try") == "true", peer: &peer, touch: func(key string) { steps.tell(controlState{Touch: key}) },
	})
	if err != nil {
		steps.tell(failedStep(err))
		return
	}
	steps.tell(r.state())
}

func (r *rooted) serveSeal(w http.ResponseWriter, req *http.Request, peer listen.Peer) {
	if err := r.seal(&peer); err != nil {
		answerControl(w, http.StatusInternalServerError, failedStep(err))
		return
	}
	answerControl(w, http.StatusOK, r.state())
}

// steps tells a client of steps as they come. A card may ask for a touch when
// nobody waits for it any more.
type steps struct {
	w  http.ResponseWriter
	mu sync.Mutex // guards ended, and that one step is written at a time
	// ended: the answer is over.
	ended bool
}

func newSteps(w http.ResponseWriter) *steps {
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.Header().Set("Cache-Control", "no-store")
	return &steps{w: w}
}

func (s *steps) tell(step controlState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return
	}
	// A client that has gone is noticed by the context of its request.
	_ = json.NewEncoder(s.w).Encode(step)
	_ = http.NewResponseController(s.w).Flush()
}

func (s *steps) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
}

// failedStep puts an error into the words of the specification.
func failedStep(err error) controlState {
	code, tries := unsealCode(err)
	s := controlState{Error: code, Message: err.Error()}
	if tries >= 0 {
		s.Tries = &tries
	}
	if f := (*failure)(nil); errors.As(err, &f) && f.hint != "" {
		s.Message += ": " + f.hint
	}
	return s
}
