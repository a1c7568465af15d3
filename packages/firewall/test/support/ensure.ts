/** Applies the settings to the machine itself: `ensure.ts TABLE FOLDER`. */
import { createHost } from '@puppy/host'
import { openFirewall } from '../../src/index.ts'
import { settings } from './settings.ts'

const [table = '', folder = ''] = process.argv.slice(2)
await openFirewall(createHost(), { table, folder }).ensure(settings)
