package server

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/keyd-hsm/keyd/audit"
	"github.com/keyd-hsm/keyd/kms"
)

// reconnectEvery is how soon the token of a connected custom key store is looked
// for again while it is away.
const reconnectEvery = 2 * time.Second

// KeepConnected opens the tokens of connected custom key stores, and again when
// they come back, until ctx ends. While one is away the appliance works without
// it: keys of that store are Unavailable, and nothing else is.
func (s *Server) KeepConnected(ctx context.Context) error {
	tick := time.NewTicker(reconnectEvery)
	defer tick.Stop()
	last := ""
	for {
		err := s.Reconnect(ctx)
		if err != nil && ctx.Err() == nil && err.Error() != last {
			s.Logger.Error("a custom key store is away", "error", err)
		}
		last = ""
		if err != nil {
			last = err.Error()
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// Reconnect is one look of KeepConnected. A store whose token does not take the
// password any more becomes FAILED, with an event that says so, and is not tried
// again.
func (s *Server) Reconnect(ctx context.Context) error {
	refused, err := s.KMS.Reconnect(ctx)
	for _, connection := range refused {
		err = errors.Join(err, s.commit(ctx, func(tx kms.Tx) (*audit.Event, error) {
			st, err := s.KMS.CustomStore(ctx, tx, connection.Store().Region, connection.Store().ID)
			if err != nil {
				return nil, err
			}
			return s.storeEvent(st), s.KMS.Connected(tx, st, connection)
		}))
	}
	return err
}

// storeEvent is the record of a connection that was lost for good.
func (s *Server) storeEvent(st *kms.CustomStore) *audit.Event {
	e := s.newEvent(s.Clock(), st.Region)
	e.EventSource, e.EventName, e.EventType = "kms.amazonaws.com", "ConnectCustomKeyStore", "AwsServiceEvent"
	e.SourceIPAddress, e.UserAgent = "AWS Internal", "AWS Internal"
	e.UserIdentity = audit.UserIdentity{AccountID: s.Account, InvokedBy: "AWS Internal"}
	b := appendText([]byte(`{"customKeyStoreId":`), st.ID)
	b = appendText(append(b, `,"connectionErrorCode":`...), kms.ReasonRefused)
	e.ServiceEventDetails = json.RawMessage(append(b, '}'))
	return e
}
