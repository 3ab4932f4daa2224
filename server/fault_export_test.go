package server

// HoldAnswer is an answer that was checked against the present state and is on
// its way to the log, until release.
func (s *Server) HoldAnswer() (release func()) {
	s.settled.RLock()
	return s.settled.RUnlock
}
