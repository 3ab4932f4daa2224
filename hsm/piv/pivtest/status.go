package pivtest

// status is the word that ends each response (ISO/IEC 7816-4, section 5.6).
type status uint16

const (
	statusOK            status = 0x9000
	statusMore          status = 0x6100 // and in the low byte how many bytes, 0 for 256 or more
	statusTries         status = 0x63c0 // wrong, and in the low four bits how many tries are left
	statusLength        status = 0x6700
	statusChain         status = 0x6883 // the last command of a chain was expected
	statusRefused       status = 0x6982 // PIN, management key or touch is missing
	statusBlocked       status = 0x6983
	statusConditions    status = 0x6985
	statusData          status = 0x6a80
	statusNotFound      status = 0x6a82
	statusFull          status = 0x6a84
	statusParameters    status = 0x6a86
	statusNoReference   status = 0x6a88 // no such key, or nothing in it
	statusNoInstruction status = 0x6d00
	statusNoClass       status = 0x6e00
	statusInternal      status = 0x6f00
)

// maxTriesInStatusWord is what four bits can say of a longer row of tries.
const maxTriesInStatusWord = 15

// tries is the answer to a wrong PIN or PUK.
func tries(left int) status {
	return statusTries | status(min(left, maxTriesInStatusWord))
}
