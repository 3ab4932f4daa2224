package server

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/keyd-hsm/keyd/api"
	"github.com/keyd-hsm/keyd/audit"
	"github.com/keyd-hsm/keyd/mfa/protocol"
)

// sealedMessage is what clients of a sealed keyd are told.
const sealedMessage = "keyd is sealed: its token waits for the PIN. Run keyctl unseal on the machine that keyd runs on."

// Sealed answers every request in place of a server that is not open yet: 503, with
// an error in the form of the protocol. It reads no body and checks no signature,
// for the keys that sign are sealed too; so it leaves no audit event, and tells
// nothing but that.
func Sealed() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := &call{r: r, id: uuid.NewString(), protocol: api.Query}
		code := "ServiceUnavailable"
		if r.Header.Get("X-Amz-Target") != "" || mediaType(r, jsonType) {
			c.protocol, code = api.JSON, "ServiceUnavailableException"
		}
		a := failure(c, &fault{code: code, message: sealedMessage, status: http.StatusServiceUnavailable})
		w.Header().Set("X-Amzn-Requestid", c.id)
		w.Header().Set("Content-Type", a.contentType)
		w.WriteHeader(a.status)
		_, _ = w.Write(a.body) // a client that has gone gets no answer
	})
}

// SealedSocket is [Sealed] for the MFA socket.
func SealedSocket() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		body, _ := json.Marshal(protocol.Error{Code: protocol.CodeSealed, Message: sealedMessage}) // two strings
		w.Header().Set("X-Amzn-Requestid", uuid.NewString())
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = w.Write(body)
	})
}

// An Unsealing is a try to open the token of a sealed keyd, or to seal it again.
type Unsealing struct {
	At time.Time
	// UID and PID are of the local process that gave the PIN; nil when keyd found it
	// in its configuration.
	UID *uint32
	PID int32
	// Seal: it was sealed, not opened.
	Seal bool
	// Code and Message say why it failed; empty if it did not. No PIN is in them.
	Code, Message string
}

// RecordUnsealings puts tries into the audit log, and waits until they are on disk.
// Token is the token's name; dropped is how many more tries there were, too many to
// keep.
func (s *Server) RecordUnsealings(token, region string, tries []Unsealing, dropped int) error {
	for i, u := range tries {
		e := s.newEvent(u.At, region)
		e.EventSource, e.EventName, e.EventType = "token.keyd", "UnsealToken", "AwsServiceEvent"
		if u.Seal {
			e.EventName = "SealToken"
		}
		e.SourceIPAddress, e.UserAgent = "local socket", "keyd"
		e.ErrorCode, e.ErrorMessage = u.Code, u.Message
		details := map[string]any{"token": token}
		e.UserIdentity = audit.UserIdentity{AccountID: s.Account, InvokedBy: "keyd"}
		if u.UID != nil {
			uid := strconv.FormatUint(uint64(*u.UID), 10)
			e.UserIdentity = audit.UserIdentity{Type: "LocalUser", PrincipalID: "uid:" + uid, AccountID: s.Account}
			details["uid"], details["pid"] = uid, strconv.FormatInt(int64(u.PID), 10)
		}
		if i == len(tries)-1 && dropped > 0 {
			details["triesNotRecorded"] = strconv.Itoa(dropped)
		}
		var err error
		if e.ServiceEventDetails, err = json.Marshal(details); err != nil {
			return err
		}
		if err := s.append(e); err != nil {
			return err
		}
	}
	return nil
}
