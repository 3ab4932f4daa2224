package kms

import (
	"github.com/keyd-hsm/keyd/hsm"
	"github.com/keyd-hsm/keyd/store"
)

// WithLockedConnections is a service without clusters, whose connections somebody
// is changing until unlock is called.
func WithLockedConnections(db store.DB) (s *Service, unlock func()) {
	s = &Service{db: db, connections: connections{open: make(map[string]hsm.Token)}}
	s.connections.mu.Lock()
	return s, s.connections.mu.Unlock
}
