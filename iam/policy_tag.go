package iam

import "strings"

// Tags of policies differ by case, those of users and roles do not: so it is in
// AWS, which answers both for a policy tagged "a" and "A".

// policyTagged returns tags with more put over them.
func (s *Service) policyTagged(tags map[string]string, more []Tag) (map[string]string, error) {
	out := make(map[string]string, len(tags)+len(more))
	for k, v := range tags {
		out[k] = v
	}
	seen := make(map[string]bool, len(more))
	for _, t := range more {
		switch {
		case seen[t.Key]:
			return nil, refuse(CodeInvalidInput, "Duplicate tag keys found.")
		case strings.HasPrefix(strings.ToLower(t.Key), "aws:"):
			return nil, refuse(CodeInvalidInput, "Tag keys beginning with 'aws:' are reserved for internal use.")
		}
		seen[t.Key], out[t.Key] = true, t.Value
	}
	if len(out) > s.limits.Tags {
		return nil, refuse(CodeLimitExceeded, "The number of tags has reached the maximum limit.")
	}
	return out, nil
}

// TagPolicy puts tags on a managed policy, over those of the same keys.
func (s *Service) TagPolicy(tx Tx, arn string, more []Tag) error {
	p, err := s.ownPolicy(tx, arn)
	if err != nil {
		return err
	}
	if p.Tags, err = s.policyTagged(p.Tags, more); err != nil {
		return err
	}
	return savePolicy(tx, p)
}

// UntagPolicy takes tags off a managed policy; keys that are not there are passed over.
func (s *Service) UntagPolicy(tx Tx, arn string, keys []string) error {
	p, err := s.ownPolicy(tx, arn)
	if err != nil {
		return err
	}
	for _, k := range keys {
		delete(p.Tags, k)
	}
	return savePolicy(tx, p)
}
