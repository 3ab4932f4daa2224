package policy

import "strings"

// checkResourceForm refuses resources that are no ARNs. AWS looks for them
// twice: first for those that its old parser cannot read, then, after other
// checks, for the rest. Only the first faulty resource counts.
func checkResourceForm(only string) func(*Policy) error {
	return func(p *Policy) error {
		for _, s := range p.Statements {
			for _, r := range s.Resources.Values {
				reason := resourceFault(r)
				if n := strings.Count(r, ":"); reason == "" && p.Kind == RCP && r != "*" && n < 5 { // rule 3.5
					reason = legacyText
				}
				if reason == "" {
					continue
				}
				if only == "" || only == reason {
					return s.refuse(p.Kind, reason, "resource %.120q", r)
				}
				return nil
			}
		}
		return nil
	}
}

// resourceFault says in AWS's words what is wrong with a resource, or nothing.
func resourceFault(r string) string {
	part := strings.SplitN(r, ":", 6)
	switch {
	case r == "*":
		return ""
	case len(part) == 1:
		return "Resource " + r + ` must be in ARN format or "*".`
	case part[1] != "aws":
		return partitionFault(r)
	case len(part) == 2 || strings.ContainsAny(part[2], "*?"):
		return arnVendorText
	case part[2] == "" || len(part) < 6 && strings.Contains(r, "::"):
		return legacyText
	}
	if len(part) < 6 {
		return ""
	}
	switch service, region, account, path := part[2], part[3], part[4], part[5]; {
	case service == "iam" && region != "":
		return "IAM resource " + r + " cannot contain region information."
	case service == "s3" && region != "" && account == "": // access points have both
		return "Resource " + r + " can not contain region information."
	case service == "iam" && path != "*" && !hasIAMPath(path):
		return iamPathText
	}
	return ""
}

// partitionFault shows the resource as AWS read it: four fields after the
// partition, * for missing ones.
func partitionFault(r string) string {
	_, rest, _ := strings.Cut(r, ":")
	partition, rest, more := strings.Cut(rest, ":")
	fields := []string{"*", "*", "*", "*"}
	if more {
		copy(fields, strings.SplitN(rest, ":", 4))
	}
	return `Partition "` + partition + `" is not valid for resource "arn:` + partition + ":" + strings.Join(fields, ":") + `".`
}

func hasIAMPath(path string) bool {
	for start := range strings.SplitSeq(iamPaths, ", ") {
		if strings.HasPrefix(path, start) {
			return true
		}
	}
	return false
}
