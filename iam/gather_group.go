package iam

// PoliciesOfGroup gathers what a group gives its members. Any error must deny,
// as those of [Service.PoliciesOf] must.
func (s *Service) PoliciesOfGroup(tx Tx, arn string) (*Gathered, error) { return s.granting(tx, arn) }
