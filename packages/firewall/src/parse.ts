export { parseTraffic } from './metering.ts'
export { parseListing } from './nft/parse.ts'
