package sts

// RememberedSecrets counts the secrets among the facts that s keeps of tokens.
func RememberedSecrets(s *Service) (tokens, secrets int) {
	s.known.mu.Lock()
	defer s.known.mu.Unlock()
	for e := s.known.recent.Front(); e != nil; e = e.Next() {
		tokens++
		if e.Value.(*lruEntry).facts.Secret != "" {
			secrets++
		}
	}
	return tokens, secrets
}

// MaxKnown is how many tokens a service keeps facts of.
const MaxKnown = maxKnown
