/** Writes the picture of the packages and their imports into ARCHITECTURE.md. */
import { writeFile } from 'node:fs/promises'
import { drawPicture, page } from './picture.ts'
import { readTree } from './tree.ts'

const root = new URL('../../', import.meta.url)
await writeFile(new URL(page, root), drawPicture(await readTree(root)))
