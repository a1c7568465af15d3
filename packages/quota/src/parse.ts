export { parseReport, parseReportLines } from './report.ts'
export { parseState } from './state.ts'
