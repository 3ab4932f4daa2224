package server_test

// anyState is why an operation never refuses a state.
const anyState = "AWS's table of key states allows it in each"

// answersFromMemory is why an operation never waits too long.
const answersFromMemory = "it asks no token, and a read of the embedded store waits for nobody"

// noKeyFor is why operations of key encapsulation come no further.
const noKeyFor = "no token of these tests makes an ML-KEM key"

// impossible lists the modelled exceptions that keyd never answers, of all
// operations or of one, and why.
var impossible = map[string]string{
	"XksKeyAlreadyInUseException":                             noExternal,
	"XksKeyInvalidConfigurationException":                     noExternal,
	"XksKeyNotFoundException":                                 noExternal,
	"XksProxyIncorrectAuthenticationCredentialException":      noExternal,
	"XksProxyInvalidConfigurationException":                   noExternal,
	"XksProxyInvalidResponseException":                        noExternal,
	"XksProxyUriEndpointInUseException":                       noExternal,
	"XksProxyUriInUseException":                               noExternal,
	"XksProxyUriUnreachableException":                         noExternal,
	"XksProxyVpcEndpointServiceInUseException":                noExternal,
	"XksProxyVpcEndpointServiceInvalidConfigurationException": noExternal,
	"XksProxyVpcEndpointServiceNotFoundException":             noExternal,

	"KeyUnavailableException": "a token that is away is KMSInternalException with a text that says so, a key store that is not connected KMSInvalidStateException",
	"ConflictException":       "a rotation on demand is complete in one transaction: none is ever in progress",

	"CreateKey InvalidArnException":                                     "it names nothing by ARN; a principal of the policy that is not there is MalformedPolicyDocumentException",
	"CreateKey CloudHsmClusterInvalidConfigurationException":            "a token is looked at when its store is connected",
	"CreateCustomKeyStore CloudHsmClusterInvalidConfigurationException": "a token is looked at when its store is connected",
	"CreateCustomKeyStore CloudHsmClusterNotActiveException":            "a token is looked at when its store is connected",
	"PutKeyPolicy UnsupportedOperationException":                        "every key takes a policy",
	"EnableKey LimitExceededException":                                  "there is no limit of enabled keys",
	"GetPublicKey InvalidKeyUsageException":                             "every pair has a public key to give, whatever its usage",
	"ListRetirableGrants NotFoundException":                             "it names no key",
	"PutKeyPolicy KMSInvalidStateException":                             "only of a key in state Creating: TestCreating",
	"DeleteAlias KMSInvalidStateException":                              anyState,
	"DeleteImportedKeyMaterial KMSInvalidStateException":                anyState,
	"GetKeyPolicy KMSInvalidStateException":                             anyState,
	"GetKeyRotationStatus KMSInvalidStateException":                     anyState,
	"ListGrants KMSInvalidStateException":                               anyState,
	"ListKeyPolicies KMSInvalidStateException":                          anyState,
	"ListKeyRotations KMSInvalidStateException":                         anyState,
	"RetireGrant KMSInvalidStateException":                              anyState,
	"RevokeGrant KMSInvalidStateException":                              anyState,

	"Encapsulate DryRunOperationException":   noKeyFor,
	"Decapsulate DryRunOperationException":   noKeyFor,
	"Decapsulate InvalidCiphertextException": noKeyFor,
	"Encapsulate DependencyTimeoutException": noKeyFor,
	"Decapsulate DependencyTimeoutException": noKeyFor,

	"DescribeKey DependencyTimeoutException":          answersFromMemory,
	"GetKeyRotationStatus DependencyTimeoutException": answersFromMemory,
	"GetPublicKey DependencyTimeoutException":         answersFromMemory,
	"ListAliases DependencyTimeoutException":          answersFromMemory,
	"ListKeyPolicies DependencyTimeoutException":      answersFromMemory,
	"ListKeys DependencyTimeoutException":             answersFromMemory,
	"Verify DependencyTimeoutException":               answersFromMemory,
}

const noExternal = "external key stores are refused with UnsupportedOperationException"

func cannotOccur(op, exception string) bool {
	return impossible[exception] != "" || impossible[op+" "+exception] != ""
}
