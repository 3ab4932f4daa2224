package server

import (
	"encoding/json"
	"strconv"

	"github.com/keyd-hsm/keyd/api/mfaapi"
	"github.com/keyd-hsm/keyd/audit"
)

// record puts the event of a call into the log and waits until it is on disk. err
// is why the call failed, nil if it did not.
func (k *Socket) record(c *localCall, err error) error {
	c.recorded = true // or never will be
	e, err := k.localEvent(c, err)
	if err == nil {
		err = k.append(e)
	}
	return err
}

// localEvent describes a call on the MFA socket. The caller is no principal of
// the account, so it is no user name but the number that the kernel gave; the
// name that the machine knows stands beside. Codes and signatures are not in it.
func (k *Socket) localEvent(c *localCall, failure error) (*audit.Event, error) {
	e := k.newEvent(c.received, k.Region)
	e.RequestID, e.EventName, e.EventSource = c.id, c.operation.name, mfaapi.Service.EventSource
	e.SourceIPAddress, e.UserAgent = "local socket", printable(c.r.UserAgent())
	e.ReadOnly = c.operation.readOnly
	e.UserIdentity = audit.UserIdentity{Type: "LocalUser", PrincipalID: c.from(), AccountID: k.Account}
	if c.challenge != "" {
		c.parameters["challengeId"] = c.challenge
	}
	var err error
	if e.RequestParameters, err = document(c.parameters); err != nil {
		return nil, err
	}
	if failure != nil {
		f := k.localFault(c, failure)
		e.ErrorCode, e.ErrorMessage = f.code, f.logged()
	} else if e.ResponseElements, err = document(c.elements); err != nil {
		return nil, err
	}
	who := map[string]any{"uid": uidText(c.peer.UID), "pid": strconv.FormatInt(int64(c.peer.PID), 10)}
	if c.name != "" {
		who["localUser"] = c.name
	}
	e.AdditionalEventData, err = document(who)
	return e, err
}

func uidText(uid uint32) string { return strconv.FormatUint(uint64(uid), 10) }

// document is nil for nothing.
func document(members map[string]any) (json.RawMessage, error) {
	if len(members) == 0 {
		return nil, nil
	}
	return json.Marshal(members)
}
