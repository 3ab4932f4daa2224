package iam

import (
	"iter"
	"maps"
	"slices"
	"time"
)

// A shippedPolicy is a managed policy that comes with the appliance. It has the
// name that AWS gives the policy of the same meaning, and allows here what that
// one allows of the services that are here. There is one version of each.
type shippedPolicy struct {
	ManagedPolicy
	document string
}

// shipped are all of them by ARN.
var shipped = shippedByARN(
	ship("AdministratorAccess", "ANPAIWMBCKSKIEE64ZLYK", "2015-02-06T18:39:46Z",
		"Allows everything.", administratorAccess),
	ship("PowerUserAccess", "ANPAJYRXTHIB4FOVS3ZXS", "2015-02-06T18:39:47Z",
		"Allows everything but the management of identities.", powerUserAccess),
	ship("ReadOnlyAccess", "ANPAILL3HVNFSB6DCOWYQ", "2015-02-06T18:39:48Z",
		"Allows looking at everything and changing nothing.", readOnlyAccess),
	ship("IAMFullAccess", "ANPAI7XKCFMBPM3QQRRVQ", "2015-02-06T18:40:38Z",
		"Allows the whole management of identities.", iamFullAccess),
	ship("IAMReadOnlyAccess", "ANPAJKSO7NDY4T57MWDSQ", "2015-02-06T18:40:39Z",
		"Allows looking at identities and their policies.", iamReadOnlyAccess),
	ship("AWSKeyManagementServicePowerUser", "ANPAJNPP7PPPPMJRV2SA4", "2015-02-06T18:40:40Z",
		"Allows making keys and aliases and looking at them, but neither their use nor their deletion.", kmsPowerUser),
)

const administratorAccess = `{
  "Version": "2012-10-17",
  "Statement": [
    {"Effect": "Allow", "Action": "*", "Resource": "*"}
  ]
}`

const powerUserAccess = `{
  "Version": "2012-10-17",
  "Statement": [
    {"Effect": "Allow", "NotAction": ["iam:*", "organizations:*", "account:*"], "Resource": "*"},
    {
      "Effect": "Allow",
      "Action": [
        "iam:CreateServiceLinkedRole",
        "iam:DeleteServiceLinkedRole",
        "iam:ListRoles",
        "organizations:DescribeOrganization",
        "account:ListRegions",
        "account:GetAccountInformation"
      ],
      "Resource": "*"
    }
  ]
}`

const readOnlyAccess = `{
  "Version": "2012-10-17",
  "Statement": [
    {
      "Sid": "ReadOnlyActions",
      "Effect": "Allow",
      "Action": [
        "cloudtrail:Describe*",
        "cloudtrail:Get*",
        "cloudtrail:List*",
        "cloudtrail:LookupEvents",
        "iam:Generate*",
        "iam:Get*",
        "iam:List*",
        "iam:Simulate*",
        "kms:Describe*",
        "kms:Get*",
        "kms:List*",
        "sts:GetAccessKeyInfo",
        "sts:GetCallerIdentity",
        "sts:GetSessionToken"
      ],
      "Resource": "*"
    }
  ]
}`

const iamFullAccess = `{
  "Version": "2012-10-17",
  "Statement": [
    {"Effect": "Allow", "Action": ["iam:*"], "Resource": "*"}
  ]
}`

const iamReadOnlyAccess = `{
  "Version": "2012-10-17",
  "Statement": [
    {
      "Effect": "Allow",
      "Action": [
        "iam:GenerateCredentialReport",
        "iam:GenerateServiceLastAccessedDetails",
        "iam:Get*",
        "iam:List*",
        "iam:SimulateCustomPolicy",
        "iam:SimulatePrincipalPolicy"
      ],
      "Resource": "*"
    }
  ]
}`

const kmsPowerUser = `{
  "Version": "2012-10-17",
  "Statement": [
    {
      "Effect": "Allow",
      "Action": [
        "kms:CreateAlias",
        "kms:CreateKey",
        "kms:DeleteAlias",
        "kms:Describe*",
        "kms:GenerateRandom",
        "kms:Get*",
        "kms:List*",
        "kms:TagResource",
        "kms:UntagResource",
        "iam:ListGroups",
        "iam:ListRoles",
        "iam:ListUsers"
      ],
      "Resource": "*"
    }
  ]
}`

func ship(name, id, created, description, document string) *shippedPolicy {
	at, err := time.Parse(time.RFC3339, created)
	if err != nil {
		panic("iam: " + name + ": " + err.Error()) // a date above is misspelt
	}
	return &shippedPolicy{document: document, ManagedPolicy: ManagedPolicy{
		Version: 1, Name: name, Path: "/", ID: id, Account: shippedAccount,
		Description: description, Created: at, Updated: at, Default: "v1", Newest: 1,
	}}
}

func shippedByARN(all ...*shippedPolicy) map[string]*shippedPolicy {
	byARN := make(map[string]*shippedPolicy, len(all))
	for _, p := range all {
		byARN[p.ARN()] = p
	}
	return byARN
}

func (p *shippedPolicy) current() *PolicyVersion {
	return &PolicyVersion{Version: 1, ID: p.Default, Created: p.Created, Document: p.document}
}

// shippedPaths is where shipped policies stand in lists, after those of the
// account. Nothing is stored there.
const shippedPaths = prefix + "shipped/"

// scanShipped yields the paths of shipped policies as a transaction's Scan would.
func scanShipped(after string) iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		for _, arn := range slices.Sorted(maps.Keys(shipped)) {
			if path := shippedPaths + arn; path > after && !yield(path, nil) {
				return
			}
		}
	}
}
